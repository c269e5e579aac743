"""Writing a task into the queue, and telling its caller where it stands."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from processing.queue.host import ALIVE_WITHIN
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
    """The place of a waiting task. With a free slot and nobody before it, it starts now and has no position."""
    before = Task.objects.filter(status=Status.QUEUED).filter(
        Q(priority__gt=priority) | Q(priority=priority, seq__lt=seq)
    )
    ahead = before.count()
    slots = _slots()
    running = Task.objects.filter(status=Status.PROCESSING).count()
    starts_now = ahead + running < slots
    each = _recent_seconds()
    rounds = 0 if starts_now else math.ceil((ahead + 1) / max(1, slots))
    estimate = None if each is None else round(each * (1 + rounds), 1)
    return Place(None if starts_now else ahead + 1, estimate)


def _slots() -> int:
    """How many tasks the hosts that are alive take at once."""
    alive = WorkerHost.objects.filter(heartbeat_at__gt=timezone.now() - ALIVE_WITHIN)
    return sum(alive.values_list("max_concurrent", flat=True))


def _recent_seconds() -> float | None:
    """The mean seconds that recently completed tasks took from start to end."""
    recent = Task.objects.filter(status=Status.COMPLETED, completed_at__gt=timezone.now() - _RECENT_WITHIN)
    spans = recent.order_by("-completed_at").values_list("started_at", "completed_at")[:_RECENT]
    seconds = [(ended - started).total_seconds() for started, ended in spans if started and ended]
    return sum(seconds) / len(seconds) if seconds else None
