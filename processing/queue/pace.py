"""How fast the queue moves: the slots of the hosts that are alive, and what recent tasks took."""

from __future__ import annotations

import math
import time
from datetime import timedelta

from django.db.models import DateTimeField, ExpressionWrapper, F, Sum
from django.db.models.functions import Least, Now

from processing.queue import host
from processing.queue.models import WorkerHost
from processing.tasks.models import Status, Task

_RECENT = 50  # finished tasks that the pace is taken from
_RECENT_WITHIN = timedelta(hours=24)
_FRESH = 5.0  # seconds that a process goes on with what it measured
_SHORTEST, _LONGEST = 1, 300  # seconds that a caller is told to wait
_UNMEASURED = 10.0  # seconds for a task while nothing was measured

_measured: tuple[float, float] | None = None  # when, and the seconds


def slots() -> int:
    """How many tasks the hosts that are alive take at once: a limit that was raised gets them no more workers."""
    each = Least(F("max_concurrent"), F("workers"))
    found: int | None = WorkerHost.objects.filter(host.alive()).aggregate(slots=Sum(each))["slots"]
    return found or 0


def seconds_each() -> float | None:
    """The mean seconds that recently completed tasks took from start to end, some seconds old; None while none did."""
    global _measured
    now = time.monotonic()
    known = _measured
    if known is not None and now - known[0] < _FRESH:
        return known[1]
    seconds = _recent_seconds()
    _measured = None if seconds is None else (now, seconds)
    return seconds


def come_back_in(tasks: float = 1) -> int:
    """Whole seconds until so many tasks will have ended, at the measured pace: what `Retry-After` says."""
    each = seconds_each()
    wait = (_UNMEASURED if each is None else each) * tasks / max(1, slots())
    return math.ceil(min(max(wait, _SHORTEST), _LONGEST))


def forget() -> None:
    """Measure anew at the next question."""
    global _measured
    _measured = None


def _recent_seconds() -> float | None:
    oldest = ExpressionWrapper(Now() - _RECENT_WITHIN, output_field=DateTimeField())
    recent = Task.objects.filter(status=Status.COMPLETED, completed_at__gt=oldest)
    spans = recent.order_by("-completed_at").values_list("started_at", "completed_at")[:_RECENT]
    seconds = [(ended - started).total_seconds() for started, ended in spans if started and ended]
    return sum(seconds) / len(seconds) if seconds else None
