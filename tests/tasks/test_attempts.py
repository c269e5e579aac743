"""Every attempt that has ended is told by the task's row, and only by the one who ended it."""

from __future__ import annotations

from processing.errors import DocumentFailed, ModelUnavailable
from processing.tasks import attempts, lifecycle, losses
from processing.tasks.models import Task
from tests.conftest import Tenant
from tests.tasks.test_lifecycle import HOST, claimed, expire, outcome, submitted


def endings(task: Task) -> list[tuple[str, str]]:
    task.refresh_from_db()
    return [(attempt.ending, attempt.code) for attempt in attempts.of(task)]


def due_again(task: Task) -> None:
    Task.objects.filter(pk=task.pk).update(available_at=task.created_at)


def test_it_works(alice: Tenant) -> None:
    task = submitted(alice)
    assert endings(task) == []
    lifecycle.fail(claimed(), ModelUnavailable("Busy.", "model_busy"))
    due_again(task)
    claim = claimed()
    assert endings(task) == [("failed", "model_busy"), ("", "")]
    lifecycle.complete(claim, outcome())
    assert endings(task) == [("failed", "model_busy"), ("completed", "")]
    first, second = attempts.of(task)
    assert (first.host, first.pid) == (HOST, 1)
    assert first.started is not None and first.ended is not None and second.started is not None
    assert second.ended is not None
    assert first.started <= first.ended <= second.started <= second.ended
    assert abs((second.ended - (task.completed_at or second.started)).total_seconds()) < 0.01


def test_a_failure_has_its_code(alice: Tenant) -> None:
    task = submitted(alice)
    lifecycle.fail(claimed(), DocumentFailed("Encrypted.", "document_encrypted"))
    assert endings(task) == [("failed", "document_encrypted")]


def test_a_cancel_ends_the_attempt_that_runs(alice: Tenant) -> None:
    task = submitted(alice)
    claimed()
    lifecycle.cancel(alice.user.pk, task.id)
    assert endings(task) == [("cancelled", "")]


def test_a_cancel_of_a_waiting_task_ends_none(alice: Tenant) -> None:
    task = submitted(alice)
    lifecycle.cancel(alice.user.pk, task.id)
    assert endings(task) == []


def test_a_dead_worker_and_an_ended_cluster_are_told_apart(alice: Tenant) -> None:
    task = submitted(alice)
    claimed()
    expire(task)
    losses.reap()
    claimed()
    losses.release_host(HOST, [1])
    lifecycle.release(claimed())
    assert endings(task) == [("lost", ""), ("interrupted", ""), ("given_back", "")]


def test_the_last_attempt_that_is_lost_is_told_too(alice: Tenant) -> None:
    task = submitted(alice, max_attempts=1)
    claimed()
    expire(task)
    losses.reap()
    assert endings(task) == [("lost", "")]


def test_who_comes_too_late_adds_nothing(alice: Tenant) -> None:
    task = submitted(alice)
    late = claimed()
    lifecycle.cancel(alice.user.pk, task.id)
    assert not lifecycle.complete(late, outcome())
    assert not lifecycle.fail(late, DocumentFailed("Encrypted.", "document_encrypted"))
    assert endings(task) == [("cancelled", "")]


def test_a_host_may_be_called_anything(alice: Tenant) -> None:
    name = 'a"b\\c\u2028d'
    task = submitted(alice)
    claim = lifecycle.claim(name, 1, 1)
    assert claim is not None
    lifecycle.complete(claim, outcome())
    task.refresh_from_db()
    assert [attempt.host for attempt in attempts.of(task)] == [name]
