"""What is counted of a task's change, for the transaction that writes it."""

from __future__ import annotations

from collections.abc import Mapping

from processing import metrics
from processing.metrics import Increment
from processing.tasks.models import Task


def completed(
    task: Task, model: str, pages: int | None, worked: float, steps: Mapping[str, float]
) -> tuple[Increment, ...]:
    """That a task, as it was claimed, was answered by this model in `worked` seconds, in these by step."""
    return (
        *metrics.COMPLETED.by(1),
        *metrics.ENDED_ATTEMPTS.by(1, "completed"),
        *metrics.ENDED_BY_MODEL.by(1, model, "completed"),
        *metrics.PROCESSING.observed(worked),
        *metrics.WORKED.observed(worked),
        *metrics.WAITED.observed(_waited(task)),
        *metrics.PAGES.by(pages or 0),
        *(each for step, took in steps.items() for each in metrics.STEPS.observed(took, step)),
    )


def failed(model: str, code: str) -> tuple[Increment, ...]:
    """That a task ended without an answer."""
    return *metrics.FAILED.by(1, code), *metrics.ENDED_BY_MODEL.by(1, model, "failed")


def cancelled(model: str) -> tuple[Increment, ...]:
    """That a task was cancelled."""
    return *metrics.CANCELLED.by(1), *metrics.ENDED_BY_MODEL.by(1, model, "cancelled")


def attempts(ending: str, number: int = 1) -> tuple[Increment, ...]:
    """That attempts ended so, which is one of `attempts.ENDINGS`."""
    return metrics.ENDED_ATTEMPTS.by(number, ending)


def _waited(task: Task) -> float:
    """Seconds from when it was due to when it was claimed, both by the database's clock."""
    return 0.0 if task.started_at is None else max(0.0, (task.started_at - task.available_at).total_seconds())
