"""Writing a task into the queue, and telling its caller where it stands."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import DateTimeField, ExpressionWrapper, F, Q, Sum
from django.db.models.functions import Least, Now

from processing.queue import host
from processing.queue.models import WorkerHost
from processing.tasks import lifecycle
from processing.tasks.lifecycle import Submission
from processing.tasks.models import Status, Task

_RECENT = 50  # finished tasks that the estimate is taken from
_RECENT_WITHIN = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a task stands: `position` counts from 1 among the waiting and is None for one that runs or has ended;
    `estimated_time` is in seconds until it is done, None while nothing was measured."""

    position: int | None
    estimated_time: float | None


def submit(submission: Submission) -> tuple[Task, Place]:
    """Write the task. The workers' broker sees the row itself: there is nothing to send, and nothing to lose."""
    task = lifecycle.submit(submission)
    return task, place_of(task.seq, task.priority)


def place_of(seq: int, priority: int) -> Place:
    """The place of a waiting task, and how long it will take at the pace of the tasks before it."""
    slots = _slots()
    position = _position(seq, priority, slots)
    each = _recent_seconds()
    rounds = 0 if position is None else math.ceil(position / max(1, slots))
    return Place(position, None if each is None else round(each * (1 + rounds), 1))


def position_of(seq: int, priority: int) -> int | None:
    """The position of a waiting task alone, for those who ask often."""
    return _position(seq, priority, _slots())


def _position(seq: int, priority: int, slots: int) -> int | None:
    """With a free slot and nobody before it, a task starts now and has no position."""
    before = Q(priority__gt=priority) | Q(priority=priority, seq__lt=seq)
    ahead = Task.objects.filter(before, status=Status.QUEUED).count()
    running = Task.objects.filter(status=Status.PROCESSING).count()
    return None if ahead + running < slots else ahead + 1


def _slots() -> int:
    """How many tasks the hosts that are alive take at once: a limit that was raised gets them no more workers."""
    each = Least(F("max_concurrent"), F("workers"))
    slots: int | None = WorkerHost.objects.filter(host.alive()).aggregate(slots=Sum(each))["slots"]
    return slots or 0


def _recent_seconds() -> float | None:
    """The mean seconds that recently completed tasks took from start to end."""
    oldest = ExpressionWrapper(Now() - _RECENT_WITHIN, output_field=DateTimeField())
    recent = Task.objects.filter(status=Status.COMPLETED, completed_at__gt=oldest)
    spans = recent.order_by("-completed_at").values_list("started_at", "completed_at")[:_RECENT]
    seconds = [(ended - started).total_seconds() for started, ended in spans if started and ended]
    return sum(seconds) / len(seconds) if seconds else None
