"""What a caller is told when the queue, the memory or the disk has no room, and that nothing is left of such a call."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage
from django.core.files.uploadedfile import SimpleUploadedFile

from processing.api.uploads import ReceivedFile
from processing.documents import space
from processing.documents.models import StoredDocument
from processing.operations import health
from processing.queue import admission
from processing.runtime import configuration
from processing.tasks.models import Status, Task
from tests import samples
from tests.api.test_process import assert_problem, post, stored_files
from tests.conftest import Tenant
from tests.queue.test_admission import FULL

pytestmark = pytest.mark.django_db(transaction=True)


def upload(tenant: Tenant) -> Any:
    file = SimpleUploadedFile("invoice.pdf", samples.pdf())
    return tenant.client.post("/api/v2/upload", {"file": file}, format="multipart")


@pytest.fixture
def before() -> set[Path]:
    return stored_files()


def no_space(*_: Any, **__: Any) -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_it_works(alice: Tenant, mallory: Tenant) -> None:
    configuration.change({"max_waiting_per_key": 1}, author=None)
    assert post(alice).status_code == 200
    files = stored_files()
    response = post(alice, file=SimpleUploadedFile("other.txt", b"Other words."))
    assert_problem(response, 429, "too_many_waiting")
    assert response.json()["error_type"] == "rate_limit_error"
    assert int(response["Retry-After"]) >= 1
    assert stored_files() == files
    assert post(mallory).status_code == 200
    Task.objects.update(status=Status.CANCELLED)
    assert post(alice).status_code == 200


def test_a_full_queue(alice: Tenant, mallory: Tenant) -> None:
    configuration.change({"max_waiting": 1}, author=None)
    assert post(mallory).status_code == 200
    response = post(alice)
    assert_problem(response, 503, "queue_full")
    assert int(response["Retry-After"]) >= 1
    assert StoredDocument.objects.count() == 1


def test_the_body_of_a_refused_call_is_not_read(alice: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    configuration.change({"max_waiting": 1}, author=None)
    assert post(alice).status_code == 200
    monkeypatch.setattr(ReceivedFile, "take", lambda *_: pytest.fail("the body was read"))
    assert_problem(post(alice), 503, "queue_full")


@pytest.mark.parametrize("send", [post, upload])
def test_memory(alice: Tenant, before: set[Path], monkeypatch: pytest.MonkeyPatch, send: Any) -> None:
    monkeypatch.setattr(admission, "memory_usage", lambda: FULL)
    response = send(alice)
    assert_problem(response, 503, "memory_pressure")
    assert int(response["Retry-After"]) >= 1
    assert stored_files() == before


@pytest.mark.parametrize("send", [post, upload])
def test_a_disk_below_the_watermark(
    alice: Tenant, before: set[Path], monkeypatch: pytest.MonkeyPatch, send: Any
) -> None:
    monkeypatch.setattr(space, "free", lambda: 1024)
    body = assert_problem(send(alice), 507, "disk_full")
    assert body["error_type"] == "system_error"
    assert stored_files() == before
    health.forget()
    report = health.report()
    assert (report.status, report.services["storage"]) == ("degraded", "degraded")
    assert "disk" in report.details["storage"]


@pytest.mark.parametrize("send", [post, upload])
def test_a_disk_that_fills_while_the_body_arrives(
    alice: Tenant, before: set[Path], monkeypatch: pytest.MonkeyPatch, send: Any
) -> None:
    monkeypatch.setattr(ReceivedFile, "write", no_space, raising=False)
    assert_problem(send(alice), 507, "disk_full")
    assert stored_files() == before
    assert not Task.objects.exists()


@pytest.mark.parametrize("send", [post, upload])
def test_a_disk_that_fills_while_the_document_is_stored(
    alice: Tenant, before: set[Path], monkeypatch: pytest.MonkeyPatch, send: Any
) -> None:
    def half(self: FileSystemStorage, name: str, content: Any) -> str:
        path = Path(self.path(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"%PDF")
        return str(no_space())

    monkeypatch.setattr(FileSystemStorage, "_save", half)
    assert_problem(send(alice), 507, "disk_full")
    assert stored_files() == before
    assert not StoredDocument.objects.exists()


def test_an_upload_says_how_long_it_is_kept(alice: Tenant) -> None:
    body = upload(alice).json()
    assert body["expires_at"] - body["created_at"] == pytest.approx(30 * 86400, abs=60)
    configuration.change({"file_retention_days": 0}, author=None)
    assert upload(alice).json()["expires_at"] is None
