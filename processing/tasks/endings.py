"""What has ended and has not been told yet: a row for each end of a task, written in the transaction that ends it.

Whoever tells of ends (`delivery`) reads the rows, and takes each away in the transaction that makes what it tells. So
no end is lost when a process dies, and none is told twice.
"""

from __future__ import annotations

from collections.abc import Iterable

from processing.tasks.models import Status, Task, TaskEnding


def note(tasks: Iterable[Task], status: Status) -> None:
    """That these tasks end with this state; inside the transaction that ends them."""
    TaskEnding.objects.bulk_create(TaskEnding(task=task.seq, status=status) for task in tasks)


def untold(limit: int) -> list[TaskEnding]:
    """The oldest ends of which nobody has told, at most so many."""
    return list(TaskEnding.objects.order_by("pk")[:limit])


def take(ending: TaskEnding) -> bool:
    """Whether it is ours to tell; inside the transaction that tells it. Of several who ask, one gets it."""
    return TaskEnding.objects.filter(pk=ending.pk).delete()[0] == 1


def forget(endings: Iterable[TaskEnding]) -> None:
    """Take away those whose tasks are gone."""
    TaskEnding.objects.filter(pk__in=[ending.pk for ending in endings]).delete()
