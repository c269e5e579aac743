"""A task changes by verbs, and of two writers exactly one wins."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from processing.documents.models import StoredDocument
from processing.errors import InvalidInput, ModelUnavailable, NotFound, ProcessingError
from processing.tasks import lifecycle, losses
from processing.tasks.lifecycle import Claim, Outcome, Submission
from processing.tasks.models import Status, Task
from tests.conftest import Tenant

HOST = "here"


def submitted(tenant: Tenant, **columns: object) -> Task:
    document, _ = StoredDocument.objects.get_or_create(
        owner=tenant.user,
        sha256="0" * 64,
        filename="a.txt",
        defaults={"format": "txt", "media_type": "text/plain", "size": 1, "path": "p"},
    )
    task = lifecycle.submit(
        Submission(tenant.user.pk, tenant.key.pk, document, "What is it?", "local", {}, 0, "request")
    )
    Task.objects.filter(pk=task.pk).update(**columns)
    task.refresh_from_db()
    return task


def claimed(limit: int = 100) -> Claim:
    claim = lifecycle.claim(HOST, 1, limit)
    assert claim is not None
    return claim


def outcome() -> Outcome:
    return Outcome({"content": "It."}, "local", 1, 1, 1, 10.0)


def expire(task: Task) -> None:
    Task.objects.filter(pk=task.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))


def test_it_works(alice: Tenant) -> None:
    task = submitted(alice)
    assert task.status == Status.QUEUED
    claim = claimed()
    assert (claim.id, claim.task.status, claim.task.attempts) == (task.id, Status.PROCESSING, 1)
    assert lifecycle.progress(claim, 40, "extracting page 2 of 5")
    assert lifecycle.complete(claim, outcome())
    task.refresh_from_db()
    assert (task.status, task.progress, task.result) == (Status.COMPLETED, 100.0, {"content": "It."})
    assert task.started_at <= task.completed_at


def test_tasks_are_claimed_in_order_of_arrival(alice: Tenant) -> None:
    tasks = [submitted(alice) for _ in range(5)]
    assert [claimed().id for _ in tasks] == [task.id for task in tasks]
    assert lifecycle.claim(HOST, 1, 100) is None


def test_a_higher_priority_goes_first(alice: Tenant) -> None:
    submitted(alice)
    urgent = submitted(alice, priority=5)
    assert claimed().id == urgent.id


def test_no_more_than_the_limit_run_on_a_host(alice: Tenant) -> None:
    for _ in range(3):
        submitted(alice)
    claimed(limit=2), claimed(limit=2)
    assert lifecycle.claim(HOST, 1, 2) is None
    assert lifecycle.claim("another host", 1, 2) is not None


def test_a_task_that_is_not_due_waits(alice: Tenant) -> None:
    submitted(alice, available_at=timezone.now() + timedelta(hours=1))
    assert lifecycle.claim(HOST, 1, 100) is None


def test_a_late_writer_changes_nothing(alice: Tenant) -> None:
    task = submitted(alice)
    late = claimed()
    expire(task)
    assert losses.reap() == 1
    again = claimed()
    assert not lifecycle.heartbeat(late)
    assert not lifecycle.progress(late, 99, "late")
    assert not lifecycle.complete(late, Outcome({"content": "late"}, "local", 1, 1, 1, None))
    assert not lifecycle.fail(late, ProcessingError("late", "late"))
    assert not lifecycle.release(late)
    assert lifecycle.complete(again, outcome())
    task.refresh_from_db()
    assert (task.result, task.attempts) == ({"content": "It."}, 2)


def test_a_renewed_lease_does_not_run_out(alice: Tenant) -> None:
    task = submitted(alice)
    claim = claimed()
    expire(task)
    assert lifecycle.heartbeat(claim)
    assert losses.reap() == 0


def test_a_task_that_kills_its_worker_each_time_ends_as_failed(alice: Tenant) -> None:
    task = submitted(alice)
    for _ in range(task.max_attempts):
        claimed()
        expire(task)
        losses.reap()
    task.refresh_from_db()
    assert (task.status, task.error_code, task.attempts) == (Status.FAILED, "attempts_exhausted", 3)


def test_a_retryable_error_puts_the_task_back_until_its_attempts_are_spent(alice: Tenant) -> None:
    task = submitted(alice)
    error = ModelUnavailable("The model is busy.", "overloaded", retry_after=7)
    for _ in range(task.max_attempts - 1):
        assert lifecycle.fail(claimed(), error)
        task.refresh_from_db()
        assert task.status == Status.QUEUED
        assert task.available_at > timezone.now() + timedelta(seconds=5)
        Task.objects.update(available_at=timezone.now() - timedelta(seconds=1))
    assert lifecycle.fail(claimed(), error)
    task.refresh_from_db()
    assert (task.status, task.error_code, task.error_type) == (Status.FAILED, "overloaded", "processing_error")


def test_a_final_error_ends_the_task_at_once(alice: Tenant) -> None:
    task = submitted(alice)
    assert lifecycle.fail(claimed(), ProcessingError("Broken.", "document_broken"))
    task.refresh_from_db()
    assert (task.status, task.error, task.error_code) == (Status.FAILED, "Broken.", "document_broken")


@pytest.mark.parametrize("running", [False, True])
def test_cancelled_is_final(alice: Tenant, running: bool) -> None:
    task = submitted(alice)
    claim = claimed() if running else None
    lifecycle.cancel(alice.user.pk, task.id)
    if claim:
        assert not lifecycle.still_held(claim)
        assert not lifecycle.complete(claim, outcome())
    task.refresh_from_db()
    assert (task.status, task.result) == (Status.CANCELLED, None)
    with pytest.raises(InvalidInput, match="already ended") as caught:
        lifecycle.cancel(alice.user.pk, task.id)
    assert caught.value.code == "task_finished"


def test_a_completed_task_cannot_be_cancelled(alice: Tenant) -> None:
    task = submitted(alice)
    lifecycle.complete(claimed(), outcome())
    with pytest.raises(InvalidInput):
        lifecycle.cancel(alice.user.pk, task.id)
    task.refresh_from_db()
    assert task.status == Status.COMPLETED


def test_a_stranger_cannot_cancel(alice: Tenant, mallory: Tenant) -> None:
    task = submitted(alice)
    with pytest.raises(NotFound):
        lifecycle.cancel(mallory.user.pk, task.id)
    with pytest.raises(NotFound):
        lifecycle.cancel(mallory.user.pk, uuid.uuid4())
    task.refresh_from_db()
    assert task.status == Status.QUEUED


def test_a_host_that_stops_gives_its_tasks_back_without_costing_them_an_attempt(alice: Tenant) -> None:
    task = submitted(alice)
    claim = claimed()
    assert losses.release_host(HOST, {1}) == 1
    assert not lifecycle.still_held(claim)
    task.refresh_from_db()
    assert (task.status, task.attempts, task.max_attempts) == (Status.QUEUED, 1, 4)


def test_a_cluster_gives_back_what_its_own_processes_held_and_nothing_of_anothers(alice: Tenant) -> None:
    submitted(alice), submitted(alice)
    own, anothers = lifecycle.claim(HOST, 11, 100), lifecycle.claim(HOST, 12, 100)
    assert own is not None
    assert anothers is not None
    assert losses.release_host(HOST, {11, 99}) == 1
    assert (lifecycle.still_held(own), lifecycle.still_held(anothers)) == (False, True)


def test_of_leases_that_ran_out_those_that_are_named_are_given_back(alice: Tenant) -> None:
    tasks = [submitted(alice) for _ in range(2)]
    for task in tasks:
        claimed()
        expire(task)
    assert losses.reap([tasks[0].seq]) == 1
    for task in tasks:
        task.refresh_from_db()
    assert [task.status for task in tasks] == [Status.QUEUED, Status.PROCESSING]
