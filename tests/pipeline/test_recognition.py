"""A task whose text must be recognised waits for its turn, says so, and can be cancelled meanwhile."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable

import pytest

from processing.documents.recognition_slots import RECOGNISING, WAITING, RecognitionSlots, Slot
from processing.pipeline import recognition
from processing.queue import worker
from processing.runtime import configuration
from processing.tasks import lifecycle
from processing.tasks.lifecycle import Claim
from processing.tasks.models import Status, Task
from tests import samples
from tests.conftest import Tenant
from tests.queue.conftest import Ask, ask

__all__ = ["ask"]  # the fixture
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(importlib.util.find_spec("rapidocr") is None, reason="text recognition is not installed"),
]


@pytest.fixture
def one_turn() -> Slot:
    """The only turn of this host, taken by somebody else."""
    parameters = configuration.change({"max_concurrent_ocr": 1}, author=None).parameters
    slots: RecognitionSlots = recognition.slots(parameters)
    slot = slots.take(time.monotonic() + 60, lambda _seconds: False)
    assert slot is not None
    return slot


def steps_of(task: Task, monkeypatch: pytest.MonkeyPatch, on_waiting: Callable[[], object]) -> list[str]:
    """What a worker says while it works on the task; `on_waiting` is called when it says that it waits."""
    said: list[str] = []
    progress = lifecycle.progress

    def listen(claim: Claim, percent: float, step: str) -> bool:
        said.append(step)
        result = progress(claim, percent, step)
        if step == WAITING:
            on_waiting()
        return result

    monkeypatch.setattr(lifecycle, "progress", listen)
    worker.work()
    task.refresh_from_db()
    return said


def test_it_works(ask: Ask, one_turn: Slot, monkeypatch: pytest.MonkeyPatch) -> None:
    task = ask(samples.picture(), "png")
    said = steps_of(task, monkeypatch, one_turn.close)
    assert task.status == Status.COMPLETED, task.error
    assert said.index(WAITING) < said.index(RECOGNISING)
    assert task.result is not None
    assert task.result["processing_metadata"]["extraction_method"] == "ocr"


def test_a_task_that_waits_for_its_turn_can_be_cancelled(
    ask: Ask, alice: Tenant, one_turn: Slot, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = ask(samples.picture(), "png")
    said = steps_of(task, monkeypatch, lambda: lifecycle.cancel(alice.user.pk, task.id))
    assert task.status == Status.CANCELLED
    assert said[-1] == WAITING
    one_turn.close()
    assert steps_of(ask(samples.picture(), "png"), monkeypatch, lambda: None)[-1].startswith("asking")


def test_the_wait_counts_against_the_time_of_the_task(
    ask: Ask, one_turn: Slot, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = ask(samples.picture(), "png", timeout=2)
    steps_of(task, monkeypatch, lambda: None)
    one_turn.close()
    assert (task.status, task.error_type) == (Status.FAILED, "timeout_error")
    assert task.error_code in ("recognition_timeout", "task_timeout")


def test_a_document_with_text_of_its_own_needs_no_turn(
    ask: Ask, one_turn: Slot, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = ask()
    steps_of(task, monkeypatch, lambda: pytest.fail("it waits"))
    one_turn.close()
    assert task.status == Status.COMPLETED
