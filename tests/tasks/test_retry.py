"""A failed or cancelled task can be tried again, by one of those who ask at once."""

from __future__ import annotations

import threading
import uuid

import pytest
from django.db import connection

from processing.errors import DocumentFailed
from processing.tasks import attempts, lifecycle
from processing.tasks.models import Status, Task
from tests.conftest import Tenant
from tests.tasks.test_lifecycle import claimed, outcome, submitted


def failed(tenant: Tenant) -> Task:
    task = submitted(tenant)
    lifecycle.fail(claimed(), DocumentFailed("Encrypted.", "document_encrypted"))
    task.refresh_from_db()
    return task


def test_it_works(alice: Tenant) -> None:
    task = failed(alice)
    assert lifecycle.retry(alice.user.pk, task.id)
    task.refresh_from_db()
    assert (task.status, task.attempts, task.max_attempts, task.progress) == (Status.QUEUED, 0, 3, 0.0)
    assert (task.error, task.error_type, task.error_code) == ("", "", "")
    assert (task.started_at, task.completed_at, task.host) == (None, None, "")
    assert lifecycle.complete(claimed(), outcome())
    task.refresh_from_db()
    assert (task.status, task.result) == (Status.COMPLETED, {"content": "It."})
    first, second = attempts.of(task)
    assert (first.ending, second.ending) == ("failed", "completed")
    assert first.started is not None and first.ended is not None and second.started is not None
    assert first.started <= first.ended <= second.started


def test_a_cancelled_task_too_and_its_former_worker_writes_nothing(alice: Tenant) -> None:
    task = submitted(alice)
    former = claimed()
    lifecycle.cancel(alice.user.pk, task.id)
    assert lifecycle.retry(alice.user.pk, task.id)
    assert not lifecycle.complete(former, outcome())
    present = claimed()
    assert present.task.id == task.id
    assert not lifecycle.heartbeat(former)
    assert lifecycle.complete(present, outcome())


def test_a_strangers_task_is_left_alone(alice: Tenant, mallory: Tenant) -> None:
    task = failed(alice)
    assert not lifecycle.retry(mallory.user.pk, task.id)
    assert not lifecycle.retry(alice.user.pk, uuid.uuid4())
    task.refresh_from_db()
    assert task.status == Status.FAILED


@pytest.mark.parametrize("status", [Status.QUEUED, Status.PROCESSING, Status.COMPLETED])
def test_any_other_task_is_left_alone(alice: Tenant, status: Status) -> None:
    task = submitted(alice, status=status, attempts=1)
    assert not lifecycle.retry(alice.user.pk, task.id)
    task.refresh_from_db()
    assert (task.status, task.attempts) == (status, 1)


def test_without_its_document_there_is_nothing_to_try(alice: Tenant) -> None:
    task = failed(alice)
    Task.objects.filter(pk=task.pk).update(document=None)
    assert not lifecycle.retry(alice.user.pk, task.id)


@pytest.mark.django_db(transaction=True)
def test_of_many_that_ask_at_once_one_wins(alice: Tenant) -> None:
    task = failed(alice)
    won: list[bool] = []
    together = threading.Barrier(6)

    def ask() -> None:
        together.wait()
        won.append(lifecycle.retry(alice.user.pk, task.id))
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * 5 + [True]
