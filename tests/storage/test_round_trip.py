"""A document's whole life in each storage: it comes in, is worked on, handed out and erased, and is nobody else's."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from modelsregistry.provisioning import provision
from processing.documents import disposal
from processing.documents.models import StoredDocument
from processing.queue import worker
from processing.tasks.models import Status, Task
from tests import samples
from tests.conftest import Tenant
from tests.storage.conftest import stored_in
from tests.storage.proxy import Mood, proxied
from tests.storage.servers import Server

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def built_in(db: None) -> None:
    provision({})


@pytest.fixture
def administrator(db: None) -> Iterator[Client]:
    client = Client()
    client.force_login(User.objects.create_superuser("root"), backend=django_settings.AUTHENTICATION_BACKENDS[0])
    yield client


def process(tenant: Tenant, content: bytes) -> Task:
    fields = {"file": SimpleUploadedFile("invoice.pdf", content), "prompt": "What is the total amount?"}
    answer = tenant.client.post("/api/v2/process", fields, format="multipart")
    assert answer.status_code == 200, answer.json()
    worker.work()
    return Task.objects.get(id=answer.json()["task_id"])


def download(client: Client, document: StoredDocument) -> Any:
    return client.get(reverse("admin:processing_storeddocument_download", args=[document.pk]))


def lies_there(tenant: Tenant) -> list[str]:
    return [file.path for file in disposal.stored(disposal.directory_of(tenant.user.pk))]


def test_it_works(remote: Server, tmp_path: Path, alice: Tenant, mallory: Tenant, administrator: Client) -> None:
    content = samples.pdf()
    task, others = process(alice, content), process(mallory, content)
    assert (task.status, others.status) == (Status.COMPLETED, Status.COMPLETED), task.error
    assert "108.00" in task.result["content"]
    picture = alice.client.get(f"/api/v2/tasks/{task.id}/pages/1.png")
    assert (picture.status_code, picture["Content-Type"]) == (200, "image/png")

    document = task.document
    assert document is not None
    assert lies_there(alice) == [document.path]
    assert not list(tmp_path.rglob("*.pdf"))
    got = download(administrator, document)
    assert (got.status_code, b"".join(got.streaming_content)) == (200, content)
    assert got["Content-Length"] == str(len(content))
    assert 'filename="invoice.pdf"' in got["Content-Disposition"]

    assert mallory.client.delete(f"/api/v2/upload/{document.pk}").status_code == 404
    assert lies_there(alice) == [document.path]
    assert alice.client.delete(f"/api/v2/upload/{document.pk}").status_code == 204
    assert lies_there(alice) == []
    assert len(lies_there(mallory)) == 1


def test_a_download_goes_to_the_storage_only_where_that_is_allowed(
    remote: Server, alice: Tenant, administrator: Client, settings: Any
) -> None:
    if remote.provider == "gcs":
        pytest.skip("signing takes a service account's key; see test_blobs")
    document = process(alice, samples.pdf()).document
    assert document is not None
    settings.API_V2_STORAGE_REDIRECTS = True
    answer = download(administrator, document)
    assert answer.status_code == 302
    assert "no-store" in answer["Cache-Control"]
    got = httpx.get(answer["Location"], trust_env=False)
    assert (got.status_code, hashlib.sha256(got.content).hexdigest()) == (200, document.sha256)
    assert got.headers["content-disposition"] == 'attachment; filename="invoice.pdf"'
    administrator.logout()
    assert "papers" not in download(administrator, document)["Location"]


@pytest.mark.parametrize("server", ["s3"], indirect=True)
def test_a_download_while_the_storage_is_away_is_told(
    server: Server, tmp_path: Path, alice: Tenant, administrator: Client
) -> None:
    with proxied(server.port) as proxy, stored_in("s3", server.through(proxy.port), tmp_path):
        document = process(alice, samples.pdf()).document
        assert document is not None
        proxy.become(Mood.GONE)
        answer = download(administrator, document)
        assert answer.status_code == 503
        assert b"does not answer" in answer.content
        page = alice.client.get(f"/api/v2/tasks/{Task.objects.get().id}/pages/1.png")
        assert (page.status_code, page.json()["code"]) == (503, "storage_unavailable")
