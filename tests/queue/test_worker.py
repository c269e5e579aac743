"""A worker takes a task to its end: an answer, a reason, or nothing when the task is no longer its own."""

from __future__ import annotations

import resource
import socket
import threading
from typing import Any

import pytest
from django.db import DataError, OperationalError, connection

from modelsregistry.errors import ModelMisconfigured, ModelOverloaded
from processing.errors import ProcessingError
from processing.pipeline import run
from processing.queue import admission, worker
from processing.runtime.capacity import MemoryUsage
from processing.tasks import lifecycle
from processing.tasks.models import Status, Task
from tests.conftest import Tenant
from tests.queue.conftest import Ask

pytestmark = pytest.mark.django_db(transaction=True)


def ended(task: Task) -> Task:
    worker.work()
    task.refresh_from_db()
    return task


def blocked(started: threading.Event) -> Any:
    """A pipeline that waits for a socket on which nothing ever arrives."""

    def wait(*_: Any) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            started.set()
            ours.recv(1)

    return wait


def test_it_works(ask: Ask) -> None:
    task = ended(ask())
    assert task.status == Status.COMPLETED, task.error
    assert task.result is not None
    assert "108.00" in task.result["content"]
    assert task.result["citations"][0]["page"] == 1
    assert "108.00" in task.result["citations"][0]["text"]
    metadata = task.result["processing_metadata"]
    assert (metadata["extraction_method"], metadata["pages_processed"]) == ("text", 1)
    assert set(metadata["timings"]) == {"read", "generate", "check"}
    assert (task.model_used, task.pages) == ("local", 1)
    assert task.task_peak_mb


def test_without_work_nothing_happens(alice: Tenant) -> None:
    worker.work()
    assert not Task.objects.exists()


def test_nothing_begins_while_memory_is_short(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """The task was delivered; the memory was taken in the meantime."""
    task = ask()
    with monkeypatch.context() as patch:
        patch.setattr(admission, "memory_usage", lambda: MemoryUsage(used_percent=96.0, available_mb=1, total_mb=25))
        assert (ended(task).status, task.attempts) == (Status.QUEUED, 0)
    assert ended(task).status == Status.COMPLETED


def test_a_file_that_breaks_while_it_is_read_fails_with_a_code(ask: Ask) -> None:
    task = ended(ask(b"%PDF-1.7\nbroken"))
    assert (task.status, task.error_code, task.error_type) == (Status.FAILED, "document_broken", "processing_error")
    assert task.error


def test_a_document_that_is_gone_fails_with_a_code(ask: Ask) -> None:
    task = ask()
    Task.objects.update(document=None)
    assert ended(task).error_code == "document_gone"


def test_a_task_that_takes_too_long_is_stopped(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "run", blocked(threading.Event()))
    task = ended(ask(timeout=0.2))
    assert (task.status, task.error_type, task.error_code) == (Status.FAILED, "timeout_error", "task_timeout")


def test_a_cancelled_task_is_stopped_and_stays_cancelled(
    ask: Ask, alice: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = threading.Event()
    monkeypatch.setattr(run, "run", blocked(started))
    task = ask()

    def cancel() -> None:
        started.wait()
        lifecycle.cancel(alice.user.pk, task.id)
        connection.close()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    assert ended(task).status == Status.CANCELLED
    canceller.join()
    assert task.result is None


def test_a_model_that_is_overloaded_is_tried_again(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    def overloaded(*_: Any) -> None:
        raise ModelOverloaded("The model is busy.", "overloaded", retry_after=3)

    monkeypatch.setattr(run, "run", overloaded)
    task = ended(ask())
    assert (task.status, task.attempts) == (Status.QUEUED, 1)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ModelMisconfigured("There is no such model.", "unknown_model"), "unknown_model"),
        (ProcessingError("No.", "odd"), "odd"),
        (RuntimeError("/secret/path"), "internal_error"),
    ],
)
def test_any_other_error_ends_the_task(ask: Ask, monkeypatch: pytest.MonkeyPatch, error: Exception, code: str) -> None:
    def broken(*_: Any) -> None:
        raise error

    monkeypatch.setattr(run, "run", broken)
    task = ended(ask())
    assert (task.status, task.error_code) == (Status.FAILED, code)
    assert "secret" not in task.error


def test_a_worker_survives_every_ending(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(run, "run", blocked(threading.Event()))
        ended(ask(timeout=0.1))
    assert ended(ask()).status == Status.COMPLETED


def lost(*_: Any) -> None:
    raise OperationalError("the connection is lost")


def test_a_database_that_is_lost_while_a_task_runs_costs_an_attempt_and_not_the_task(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(run, "run", lost)
        task = ended(ask())
    assert (task.status, task.attempts) == (Status.QUEUED, 1)
    Task.objects.update(available_at=task.created_at)
    assert ended(task).status == Status.COMPLETED


def test_an_answer_that_cannot_be_stored_ends_the_task(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> None:
        raise DataError("unsupported Unicode escape sequence")

    monkeypatch.setattr(lifecycle, "complete", refused)
    task = ended(ask())
    assert (task.status, task.error_code) == (Status.FAILED, "internal_error")


def test_the_peak_of_memory_is_the_tasks_own(ask: Ask) -> None:
    ballast = b"x" * (300 * 1024 * 1024)
    assert ballast.endswith(b"x")
    del ballast
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    task = ended(ask())
    assert task.task_peak_mb is not None
    assert task.task_peak_mb < before
