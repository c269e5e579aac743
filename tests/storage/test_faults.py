"""A storage that is away, hangs, breaks off or is the wrong one: callers are told, and nothing is lost."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models.functions import Now
from django.utils import timezone

from modelsregistry.provisioning import provision
from processing.access import audit
from processing.documents import blobs, disposal, sweep
from processing.documents.models import StoredDocument
from processing.errors import StorageUnavailable
from processing.operations import erasure, health
from processing.queue import worker
from processing.queue.reconcile import Reconciler
from processing.tasks.models import Status, Task
from tests import samples
from tests.conftest import Tenant
from tests.queue.conftest import Ask
from tests.storage.conftest import stored_in
from tests.storage.proxy import Mood, Proxy, proxied
from tests.storage.servers import Server

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def proxy(server: Server, tmp_path: Path) -> Iterator[Proxy]:
    """The way to each of the stand-ins, as the storage of documents."""
    with proxied(server.port) as proxy, stored_in(server.provider, server.through(proxy.port), tmp_path):
        yield proxy


def upload(tenant: Tenant, content: bytes, name: str = "invoice.pdf") -> Any:
    file = SimpleUploadedFile(name, content)
    return tenant.client.post("/api/v2/upload", {"file": file}, format="multipart")


def due_again(task: Task) -> Task:
    Task.objects.filter(pk=task.pk).update(available_at=Now())
    worker.work()
    task.refresh_from_db()
    return task


def test_a_storage_that_is_away_is_told_and_loses_nothing(proxy: Proxy, alice: Tenant, ask: Ask) -> None:
    task = ask()
    proxy.become(Mood.GONE)
    refused = upload(alice, samples.pdf("Another"))
    assert (refused.status_code, refused.json()["code"]) == (503, "storage_unavailable")
    assert int(refused["Retry-After"]) > 0
    assert StoredDocument.objects.count() == 1

    task = due_again(task)
    assert (task.status, task.attempts, task.step) == (Status.QUEUED, 0, "waiting for the storage")
    assert task.available_at > timezone.now()
    fields = {"file_id": str(task.document_id), "prompt": "What is the total amount?"}
    known = alice.client.post("/api/v2/process", fields, format="multipart")
    assert (known.status_code, known.json()["code"]) == (503, "storage_unavailable")

    proxy.become(Mood.FINE)
    assert upload(alice, samples.pdf("Another")).status_code == 201
    task = due_again(task)
    assert (task.status, task.attempts) == (Status.COMPLETED, 1), task.error


@pytest.mark.parametrize("server", ["s3"], indirect=True)  # The rule is not the storage's.
def test_a_storage_that_refuses_one_document_for_a_day_fails_its_task(
    proxy: Proxy,
    ask: Ask,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    task = ask()
    proxy.become(Mood.GONE)
    Task.objects.filter(pk=task.pk).update(created_at=timezone.now() - timedelta(hours=25), max_attempts=1)
    task = due_again(task)
    assert (task.status, task.error_code) == (Status.FAILED, "storage_unavailable")


def test_health_is_degraded_and_does_not_hang(proxy: Proxy, monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    provision({})
    health.forget()
    monkeypatch.setattr(health, "PATIENCE", 30.0)
    assert health.report().services["storage"] == "healthy"
    health.forget()
    proxy.become(Mood.GONE)
    report = health.report()
    assert (report.status, report.services["storage"]) == ("degraded", "unhealthy")
    assert report.is_serving
    health.forget()
    proxy.become(Mood.HANGING)
    monkeypatch.setattr(health, "PATIENCE", 0.3)
    assert health.report().services["storage"] == "unhealthy"  # It comes while the storage is still silent.
    assert proxy.somebody_waits.wait(20)
    proxy.become(Mood.FINE)
    health.forget()


def put(content: bytes) -> tuple[str, int, str]:
    digest = hashlib.sha256(content).hexdigest()
    path = f"documents/5/{digest[:2]}/{digest}"
    blobs.documents.put(path, ContentFile(content))
    return path, len(content), digest


def test_an_answer_that_breaks_off_is_noticed(proxy: Proxy, db: None) -> None:
    content = bytes(range(256)) * 12_000  # 3 MB
    stored = put(content)
    proxy.cut_after, proxy.cuts_left = 1_000_000, 1
    proxy.become(Mood.CUTTING)
    with blobs.documents.opened(*stored) as file:
        assert file.read() == content  # It was asked for once more.
    proxy.cut_after, proxy.cuts_left = 0, 10**9  # Some clients go on where it broke off, and would come to the end.
    with pytest.raises(StorageUnavailable):
        blobs.documents.opened(*stored)


def test_an_upload_that_breaks_off_leaves_nothing_that_counts(proxy: Proxy, alice: Tenant) -> None:
    text = b"words and words\n" * 60_000  # 1 MB
    proxy.cut_after = 300_000
    proxy.become(Mood.LOSING)
    refused = upload(alice, text, "a.txt")
    assert (refused.status_code, refused.json()["code"]) == (503, "storage_unavailable")
    assert not StoredDocument.objects.exists()
    proxy.become(Mood.FINE)
    assert upload(alice, text, "a.txt").status_code == 201
    document = StoredDocument.objects.get()
    with blobs.documents.opened(document.path, document.size, document.sha256) as file:
        assert file.read() == text


def test_from_a_storage_that_is_away_nothing_is_concluded(
    proxy: Proxy,
    alice: Tenant,
    ask: Ask,
    caplog: pytest.LogCaptureFixture,
) -> None:
    task = ask()
    proxy.become(Mood.GONE)
    summary = Reconciler().run()
    assert summary is not None
    assert (summary.tasks_without_document, summary.files_without_row) == (0, 0)
    task.refresh_from_db()
    assert task.status == Status.QUEUED
    with pytest.raises(StorageUnavailable):
        erasure.erase_owner(alice.user, audit.COMMAND)
    alice.user.refresh_from_db()
    assert alice.user.is_active


@pytest.mark.parametrize("server", ["s3"], indirect=True)  # The rule is not the storage's.
def test_what_is_erased_while_the_storage_is_away_is_swept_when_it_is_back(
    proxy: Proxy, alice: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = upload(alice, samples.pdf("One")).json(), upload(alice, samples.pdf("Two")).json()
    kept = StoredDocument.objects.get(pk=second["file_id"])
    proxy.become(Mood.GONE)
    assert alice.client.delete(f"/api/v2/upload/{first['file_id']}").status_code == 204
    proxy.become(Mood.FINE)
    own = disposal.directory_of(alice.user.pk)
    assert len(list(disposal.stored(own))) == 2
    assert sweep.Sweep().go_on(10_000) == 0  # A young file may be one whose row is still to come.
    monkeypatch.setattr(sweep, "GRACE", timedelta(hours=-1))
    assert sweep.Sweep().go_on(10_000) >= 1
    assert [file.path for file in disposal.stored(own)] == [kept.path]


def test_a_bucket_that_is_not_there_ends_no_task(
    server: Server,
    alice: Tenant,
    ask: Ask,
    tmp_path: Path,
) -> None:
    variables = dict(server.variables)
    with stored_in(server.provider, variables, tmp_path):
        task = ask()
    name = next(name for name in variables if name.endswith(("BUCKET_NAME", "CONTAINER_NAME")))
    with stored_in(server.provider, {**variables, name: "another-one"}, tmp_path):
        Reconciler().run()
        task = due_again(task)
        assert (task.status, task.attempts) == (Status.QUEUED, 0)
        assert upload(alice, samples.pdf("More")).status_code == 503
