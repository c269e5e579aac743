"""Whatever was lost or left over is put right by one host at a time, and nothing that a row needs is ever deleted."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.db import connection
from django.utils import timezone

from processing.documents import disposal, store, sweep
from processing.documents.models import StoredDocument
from processing.queue import reconcile, retention
from processing.queue.models import Duty
from processing.queue.reconcile import Reconciler, Summary
from processing.runtime import configuration
from processing.runtime.parameters import Parameters
from processing.tasks import lifecycle
from processing.tasks.lifecycle import Submission
from processing.tasks.models import Status, Task
from tests.conftest import Tenant
from tests.queue.test_admission import kept
from tests.tasks.test_lifecycle import claimed, expire, submitted

pytestmark = pytest.mark.django_db(transaction=True)
LONG_AGO = timezone.now() - timedelta(days=400)


def task_of(tenant: Tenant, document: StoredDocument) -> Task:
    return lifecycle.submit(Submission(tenant.user.pk, None, document, "What is it?", "local", {}, 0, ""))


def orphan(name: str, *, old: bool = True) -> Path:
    path = Path(default_storage.path(f"documents/99/ab/{name}"))
    path.parent.mkdir(parents=True, exist_ok=True)
    return aged(path) if old else written(path)


def written(path: Path) -> Path:
    path.write_bytes(b"left over")
    return path


def aged(path: Path) -> Path:
    written(path)
    long_ago = time.time() - sweep.GRACE.total_seconds() - 60
    os.utime(path, (long_ago, long_ago))
    return path


def due_again() -> None:
    Duty.objects.update(due_at=LONG_AGO)


def test_it_works(alice: Tenant) -> None:
    document = kept(alice)
    stale, fresh = orphan("stale"), orphan("fresh", old=False)
    died = task_of(alice, document)
    claimed()
    expire(died)
    old = submitted(alice, status=Status.COMPLETED, completed_at=LONG_AGO)
    summary = Reconciler().run()
    assert summary == Summary(1, 0, 1, 1, 0, 0, 0, 0, 0, 0)
    assert (stale.exists(), fresh.exists(), default_storage.exists(document.path)) == (False, True, True)
    assert not Task.objects.filter(pk=old.pk).exists()
    died.refresh_from_db()
    assert died.status == Status.QUEUED
    fresh.unlink()


def test_it_is_not_done_twice_within_its_time(db: None) -> None:
    assert Reconciler().run() is not None
    assert Reconciler().run() is None
    due_again()
    assert Reconciler().run() is not None


def test_of_many_hosts_one_does_it(db: None) -> None:
    together = threading.Barrier(20)

    def one(_: int) -> bool:
        together.wait(30)
        try:
            return reconcile._take()
        finally:
            connection.close()

    for _ in range(3):
        with ThreadPoolExecutor(20) as pool:
            assert sum(pool.map(one, range(20))) == 1
        due_again()


def test_a_host_that_died_at_it_is_followed_by_another(db: None) -> None:
    assert reconcile._take()
    assert Reconciler().run() is None
    due_again()
    assert Reconciler().run() is not None


def test_a_thread_does_it_and_the_caller_goes_on(db: None) -> None:
    reconciler = Reconciler()
    reconciler.maybe_run(reap=True)
    assert reconciler._thread is not None
    reconciler._thread.join(30)
    assert Duty.objects.filter(due_at__gt=timezone.now()).count() == 1
    thread = reconciler._thread
    reconciler.maybe_run(reap=True)
    assert reconciler._thread is thread


def test_leases_are_left_alone_while_nobody_could_renew_them(alice: Tenant) -> None:
    task = submitted(alice)
    claimed()
    expire(task)
    reconciler = Reconciler()
    reconciler.maybe_run(reap=False)
    reconciler.wait(60)
    task.refresh_from_db()
    assert task.status == Status.PROCESSING


def test_a_fork_waits_for_a_round_that_is_under_way_but_not_for_ever(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    let_go = threading.Event()
    monkeypatch.setattr(retention, "delete_old_tasks", lambda _: int(not let_go.wait(60)))
    reconciler = Reconciler()
    reconciler.wait(60)  # There is none.
    reconciler.maybe_run(reap=True)
    thread = reconciler._thread
    assert thread is not None
    reconciler.wait(0.01)
    assert thread.is_alive()
    let_go.set()
    reconciler.wait(60)
    assert not thread.is_alive()


def test_tasks_whose_document_is_gone_are_ended(alice: Tenant) -> None:
    there, lost = kept(alice, b"there"), kept(alice, b"lost")
    waits, in_vain = task_of(alice, there), task_of(alice, lost)
    default_storage.delete(lost.path)
    erased = task_of(alice, lost)
    Task.objects.filter(pk=erased.pk).update(document=None)
    summary = Reconciler().run()
    assert summary is not None
    assert summary.tasks_without_document == 2
    for task in (waits, in_vain, erased):
        task.refresh_from_db()
    assert waits.status == Status.QUEUED
    assert [(task.status, task.error_code) for task in (in_vain, erased)] == [(Status.FAILED, "document_gone")] * 2


def test_an_unmounted_storage_ends_no_task(alice: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    document = kept(alice)
    task = task_of(alice, document)
    with monkeypatch.context() as patch:
        patch.setattr(disposal, "ROOT", "documents-of-nobody")
        patch.setattr(type(default_storage), "exists", lambda *_: False, raising=False)
        Reconciler().run()
    task.refresh_from_db()
    assert task.status == Status.QUEUED


def test_an_empty_database_deletes_nothing(db: None) -> None:
    stale = orphan("of another database")
    Reconciler().run()
    assert stale.exists()
    stale.unlink()


def test_forgotten_uploads_go(alice: Tenant) -> None:
    stale = aged(Path(settings.FILE_UPLOAD_TEMP_DIR) / "tmp-stale.upload")
    fresh = written(Path(settings.FILE_UPLOAD_TEMP_DIR) / "tmp-fresh.upload")
    Reconciler().run()
    assert (stale.exists(), fresh.exists()) == (False, True)
    fresh.unlink()


def test_bytes_that_get_a_row_meanwhile_stay_or_are_stored_anew(alice: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sweep has found an orphan; the same file is uploaded again before it is deleted."""
    document = kept(alice)
    StoredDocument.objects.all().delete()
    aged(Path(default_storage.path(document.path)))
    Path(default_storage.path(document.path)).write_bytes(b"words")
    again = kept(alice)
    assert disposal.erase_unreferenced([document.path]) == 0
    with store.opened(again) as file:
        assert file.read() == b"words"


def test_a_sweep_goes_on_where_it_stopped(alice: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "_BATCH", 2)
    kept(alice)
    left = [orphan(f"{number}") for number in range(5)]
    stored = len(list(disposal.stored()))  # other tests have left theirs, which are young
    walk = sweep.Sweep()
    assert sum(walk.go_on(2) for _ in range(stored)) == 5
    assert not any(path.exists() for path in left)


def test_expired_documents_go_unless_a_task_is_to_read_them(alice: Tenant) -> None:
    idle, needed, young = kept(alice, b"idle"), kept(alice, b"needed"), kept(alice, b"young")
    StoredDocument.objects.filter(pk__in=[idle.pk, needed.pk]).update(expires_at=LONG_AGO)
    ended = task_of(alice, idle)
    Task.objects.filter(pk=ended.pk).update(status=Status.COMPLETED, completed_at=timezone.now())
    task = task_of(alice, needed)
    assert retention.erase_expired_documents(Parameters()) == 1
    assert set(StoredDocument.objects.values_list("pk", flat=True)) == {needed.pk, young.pk}
    assert not default_storage.exists(idle.path)
    ended.refresh_from_db()
    assert (ended.status, ended.document) == (Status.COMPLETED, None)
    Task.objects.filter(pk=task.pk).update(status=Status.CANCELLED)
    assert retention.erase_expired_documents(Parameters()) == 1


def test_documents_without_an_end_count_from_their_first_day(alice: Tenant) -> None:
    old, young = kept(alice, b"old"), kept(alice, b"young")
    StoredDocument.objects.filter(pk=old.pk).update(created_at=LONG_AGO)
    assert (old.expires_at, young.expires_at) == (None, None)
    assert retention.erase_expired_documents(Parameters(file_retention_days=0)) == 0
    assert retention.erase_expired_documents(Parameters()) == 1
    assert StoredDocument.objects.get() == young


def test_results_are_kept_for_their_time(alice: Tenant, mallory: Tenant) -> None:
    for status in (Status.COMPLETED, Status.FAILED, Status.CANCELLED):
        submitted(mallory, status=status, completed_at=LONG_AGO)
        submitted(alice, status=status, completed_at=timezone.now())
    submitted(alice, created_at=LONG_AGO)
    assert retention.delete_old_tasks(Parameters(result_retention_days=0)) == 0
    assert retention.delete_old_tasks(Parameters()) == 3
    assert Task.objects.filter(owner=alice.user).count() == 4


def test_a_storage_that_does_not_answer_keeps_nothing_else_from_its_turn(
    alice: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted(alice, status=Status.COMPLETED, completed_at=LONG_AGO)
    submitted(alice)

    def broken(*_: object) -> bool:
        raise OSError

    monkeypatch.setattr(disposal, "gone", broken)
    configuration.change({"result_retention_days": 1}, author=None)
    summary = Reconciler().run()
    assert summary is not None
    assert summary.tasks_deleted == 1
