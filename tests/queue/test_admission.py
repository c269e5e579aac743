"""The queue takes no more than its bounds, whoever comes at once, and nothing while memory or disk is short."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.utils import timezone

from processing.documents import registry, space, store
from processing.documents.models import StoredDocument
from processing.errors import LimitReached, NotFound, ServiceUnavailable
from processing.queue import admission, pace
from processing.queue.admission import Caller
from processing.queue.broker import TaskBroker
from processing.queue.submit import submit
from processing.runtime.capacity import MemoryUsage
from processing.runtime.parameters import MemoryManagement, Parameters
from processing.tasks.lifecycle import Submission
from processing.tasks.models import Status, Task
from tests.conftest import Tenant
from tests.tasks.test_lifecycle import submitted

FULL = MemoryUsage(used_percent=96.0, available_mb=1.0, total_mb=25.0)


def submission(tenant: Tenant, document: StoredDocument | None = None, *, by_key: bool = True) -> Submission:
    document = document or submitted(tenant, status=Status.CANCELLED).document
    assert document is not None
    key = tenant.key.pk if by_key else None
    return Submission(tenant.user.pk, key, document, "What is it?", "local", {}, 0, "")


def kept(tenant: Tenant, content: bytes = b"words") -> StoredDocument:
    return store.keep(
        tenant.user,
        ContentFile(content),
        filename="a.txt",
        format=registry.named("txt"),
        size=len(content),
        sha256=content.hex().ljust(64, "0"),
        pages=1,
    )


def test_it_works(alice: Tenant) -> None:
    bounds = Parameters(max_waiting_per_key=2)
    for _ in range(2):
        submit(submission(alice), bounds)
    with pytest.raises(LimitReached) as refused:
        submit(submission(alice), bounds)
    assert refused.value.code == "too_many_waiting"
    assert refused.value.retry_after is not None
    assert 1 <= refused.value.retry_after <= 300


def test_a_stranger_and_another_way_in_have_bounds_of_their_own(alice: Tenant, mallory: Tenant) -> None:
    bounds = Parameters(max_waiting_per_key=1)
    submit(submission(mallory), bounds)
    submit(submission(alice), bounds)
    submit(submission(alice, by_key=False), bounds)
    with pytest.raises(LimitReached):
        submit(submission(alice, by_key=False), bounds)


def test_the_queue_as_a_whole_is_bounded(alice: Tenant, mallory: Tenant) -> None:
    bounds = Parameters(max_waiting=2)
    submit(submission(mallory), bounds)
    submit(submission(mallory), bounds)
    with pytest.raises(ServiceUnavailable) as refused:
        submit(submission(alice), bounds)
    assert (refused.value.code, bool(refused.value.retry_after)) == ("queue_full", True)


def test_only_those_that_wait_count(alice: Tenant) -> None:
    bounds = Parameters(max_waiting_per_key=1, max_waiting=1)
    for status in (Status.PROCESSING, Status.COMPLETED, Status.FAILED):
        submitted(alice, status=status)
    submit(submission(alice), bounds)
    Task.objects.filter(status=Status.QUEUED).update(status=Status.PROCESSING)
    submit(submission(alice), bounds)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("bounds", [Parameters(max_waiting_per_key=10), Parameters(max_waiting=10)])
def test_of_fifty_at_once_the_bound_is_taken_exactly(alice: Tenant, bounds: Parameters) -> None:
    wanted = submission(alice)
    together = threading.Barrier(50)

    def one(_: int) -> bool:
        together.wait(30)
        try:
            submit(wanted, bounds)
        except (LimitReached, ServiceUnavailable):
            return False
        else:
            return True
        finally:
            connection.close()

    with ThreadPoolExecutor(50) as pool:
        taken = sum(pool.map(one, range(50)))
    assert taken == Task.objects.filter(status=Status.QUEUED).count() == 10


@pytest.mark.django_db(transaction=True)
def test_a_document_that_came_with_a_refused_task_goes_again(alice: Tenant) -> None:
    bounds = Parameters(max_waiting=1)
    submitted(alice)
    document = kept(alice)
    with pytest.raises(ServiceUnavailable):
        submit(submission(alice, document), bounds)
    assert not StoredDocument.objects.filter(pk=document.pk).exists()
    assert not default_storage.exists(document.path)


@pytest.mark.django_db(transaction=True)
def test_a_document_that_was_there_before_stays(alice: Tenant) -> None:
    kept(alice)
    submitted(alice)
    document = kept(alice)
    with pytest.raises(ServiceUnavailable):
        submit(submission(alice, document), Parameters(max_waiting=1))
    assert default_storage.exists(document.path)
    store.erase(document)


def test_an_erased_document_takes_no_task(alice: Tenant) -> None:
    wanted = submission(alice)
    StoredDocument.objects.all().delete()
    with pytest.raises(NotFound):
        submit(wanted, Parameters())


def test_use_keeps_a_document(alice: Tenant) -> None:
    wanted = submission(alice)
    submit(wanted, Parameters(file_retention_days=3))
    until = StoredDocument.objects.get().expires_at
    assert until is not None
    assert abs(until - timezone.now() - timedelta(days=3)) < timedelta(minutes=1)


def test_past_the_threshold_nothing_is_taken_and_nothing_begins(alice: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    submitted(alice)
    broker = TaskBroker()
    assert broker.dequeue()
    monkeypatch.setattr(admission, "memory_usage", lambda: FULL)
    with pytest.raises(ServiceUnavailable) as refused:
        admission.require_means(Parameters())
    assert (refused.value.code, bool(refused.value.retry_after)) == ("memory_pressure", True)
    assert not broker.dequeue()
    monkeypatch.undo()
    admission.require_means(Parameters())
    assert broker.dequeue()


def test_memory_is_watched_only_where_wanted(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "memory_usage", lambda: FULL)
    admission.require_means(Parameters(memory_management=MemoryManagement(monitor_usage=False)))
    admission.require_means(Parameters(memory_management=MemoryManagement(emergency_stop_threshold=97)))


def test_below_the_watermark_nothing_is_taken(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "free", lambda: 100 * 1024**2)
    admission.require_means(Parameters(min_free_disk_mb=90))
    admission.require_means(Parameters(min_free_disk_mb=0), incoming=10**12)
    with pytest.raises(ServiceUnavailable) as refused:
        admission.require_means(Parameters(min_free_disk_mb=90), incoming=20 * 1024**2)
    assert refused.value.code == "disk_full"


def test_a_caller_is_told_to_come_back_at_the_measured_pace(alice: Tenant) -> None:
    assert pace.come_back_in() == 10
    now = timezone.now()
    submitted(alice, status=Status.COMPLETED, started_at=now - timedelta(seconds=42), completed_at=now)
    assert pace.come_back_in() == 42
    assert pace.come_back_in(1000) == 300


def test_outside_a_transaction_it_only_looks(alice: Tenant) -> None:
    admission.require_room(Caller(alice.user.pk, alice.key.pk), Parameters())
    assert not Task.objects.exists()
