"""An encrypted PDF is read with its password, which is kept no longer than it is needed and shown nowhere."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

from processing.queue import worker
from processing.tasks.models import Task
from tests.conftest import Tenant

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "canary pass phrase"


@pytest.fixture
def locked() -> bytes:
    out = io.BytesIO()
    page = Canvas(out, encrypt=StandardEncryption(PASSWORD, strength=128))
    page.drawString(72, 700, "Total amount due: 108.00 EUR")
    page.save()
    return out.getvalue()


def process(tenant: Tenant, data: bytes, **fields: str) -> Any:
    file = SimpleUploadedFile("locked.pdf", data)
    return tenant.client.post("/api/v2/process", {"prompt": "What is the total amount?", "file": file, **fields})


def test_it_works(alice: Tenant, locked: bytes) -> None:
    reply = process(alice, locked, file_password=PASSWORD)
    assert reply.status_code == 200, reply.content
    assert PASSWORD not in reply.content.decode()
    task = Task.objects.get()
    assert PASSWORD not in str(vars(task))

    assert worker.work()
    status = alice.client.get(f"/api/v2/status/{reply.json()['task_id']}")
    assert "108.00" in status.json()["result"]["content"]
    assert PASSWORD not in status.content.decode()
    task.refresh_from_db()
    assert task.document_secret == ""


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, "document_encrypted"),
        ({"file_password": ""}, "document_encrypted"),
        ({"file_password": "no"}, "wrong_password"),
    ],
)
def test_without_its_password_it_is_refused(alice: Tenant, locked: bytes, fields: dict[str, str], code: str) -> None:
    reply = process(alice, locked, **fields)
    assert (reply.status_code, reply.json()["code"]) == (422, code)
    assert not Task.objects.exists()


def test_an_upload_is_opened_to_be_looked_at_and_asked_for_its_password_again(alice: Tenant, locked: bytes) -> None:
    file = SimpleUploadedFile("locked.pdf", locked)
    upload = alice.client.post("/api/v2/upload", {"file": file, "file_password": PASSWORD})
    assert (upload.status_code, upload.json()["pages"]) == (201, 1), upload.content
    fields = {"file_id": upload.json()["file_id"], "prompt": "What is the total amount?", "dedupe": "false"}

    without = alice.client.post("/api/v2/process", fields).json()["task_id"]
    with_it = alice.client.post("/api/v2/process", {**fields, "file_password": PASSWORD}).json()["task_id"]
    while worker.work():
        pass

    assert alice.client.get(f"/api/v2/status/{without}").json()["error_code"] == "document_encrypted"
    assert alice.client.get(f"/api/v2/status/{with_it}").json()["status"] == "completed"


def test_a_password_is_for_nothing_where_there_is_no_lock(alice: Tenant) -> None:
    file = SimpleUploadedFile("a.txt", b"Total amount due: 108.00 EUR")
    fields = {"prompt": "What is the total amount?", "file": file, "file_password": PASSWORD}
    assert alice.client.post("/api/v2/process", fields).status_code == 200
