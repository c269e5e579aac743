"""A database that is away while a task is at work costs the task time, and no attempt."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError

from modelsregistry import registry
from processing.pipeline import patience
from processing.pipeline.patience import patiently
from processing.queue import worker
from processing.tasks import lifecycle
from processing.tasks.models import Status, Task
from tests.queue.conftest import Ask, ask

__all__ = ["ask"]  # the fixture
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_PAUSE", 0.0)


def away(then: Callable[..., Any], *errors: Exception) -> Callable[..., Any]:
    """A function that fails so often before it does what it is to do."""
    left = list(errors)

    def call(*arguments: Any, **named: Any) -> Any:
        if left:
            raise left.pop(0)
        return then(*arguments, **named)

    return call


def ended(task: Task) -> tuple[str, int]:
    worker.work()
    task.refresh_from_db()
    return task.status, task.attempts


@pytest.mark.parametrize("question", ["find", "offered"])
def test_it_works(ask: Ask, monkeypatch: pytest.MonkeyPatch, question: str) -> None:
    errors = OperationalError("down"), InterfaceError("closed"), OperationalError("starting up")
    monkeypatch.setattr(registry, question, away(getattr(registry, question), *errors))
    assert ended(ask()) == (Status.COMPLETED, 1)


def test_progress_that_cannot_be_written_fails_nothing(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*_: Any) -> bool:
        raise OperationalError("database is locked")

    monkeypatch.setattr(lifecycle, "progress", locked)
    assert ended(ask()) == (Status.COMPLETED, 1)


def test_nobody_waits_past_the_deadline() -> None:
    def down() -> None:
        raise OperationalError("down")

    with pytest.raises(OperationalError):
        patiently(down, time.monotonic() - 1)


def test_an_error_that_waiting_does_not_mend_is_raised_at_once() -> None:
    calls: list[int] = []

    def broken() -> None:
        calls.append(1)
        raise ValueError

    with pytest.raises(ValueError):
        patiently(broken, time.monotonic() + 3600)
    assert calls == [1]
