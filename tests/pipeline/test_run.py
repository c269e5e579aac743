"""A task is completed with an answer, or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from modelsregistry import generation
from modelsregistry.contract import GenerationResult, Usage
from processing.queue import worker
from processing.tasks.models import Status, Task
from tests.queue.conftest import Ask, ask

__all__ = ["ask"]  # the fixture
pytestmark = pytest.mark.django_db(transaction=True)


def answered(task: Task, monkeypatch: pytest.MonkeyPatch, text: str) -> Task:
    """What becomes of the task when the model says this."""

    def generate(*_: Any, **__: Any) -> GenerationResult:
        return GenerationResult(text, "local", Usage(1, 1))

    monkeypatch.setattr(generation, "generate", generate)
    worker.work()
    task.refresh_from_db()
    return task


def test_it_works(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    task = answered(ask(), monkeypatch, " 108.00 ")
    assert (task.status, task.result and task.result["content"]) == (Status.COMPLETED, " 108.00 ")


@pytest.mark.parametrize("said", ["", "   ", "\n\t\u00a0\u2003"])
def test_an_answer_of_nothing_is_a_failure_with_a_code(
    ask: Ask,
    monkeypatch: pytest.MonkeyPatch,
    said: str,
) -> None:
    task = answered(ask(), monkeypatch, said)
    assert (task.status, task.error_type, task.error_code) == (Status.FAILED, "processing_error", "empty_answer")
    assert task.error
    assert task.result is None
    assert task.attempts == 1, "what the model had to say will not change"
