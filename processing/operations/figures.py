"""What the dashboard tells, each figure from an index and from a bounded number of rows, and good for some seconds."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Generic, TypeVar

from django.db.models import BooleanField, Count, DateTimeField, ExpressionWrapper, QuerySet, Sum
from django.db.models.functions import Now
from django.utils import timezone

from processing.access.models import UsageOfDay
from processing.queue import host
from processing.queue.models import WorkerHost
from processing.tasks.models import Status, Task

CAP = 100_000  # rows that one count goes through; a count of so many means "at least"
SAMPLE = 1000  # of the latest tasks, which percentiles and error codes are taken from
HOURS = 24
SPEND_DAYS = 30
_DAY = timedelta(hours=24)
_SETTLED = timedelta(minutes=5)  # after which nothing ends in an hour that has passed
_MOST = 10  # lines of a list
_MOST_HOSTS = 50
Made = TypeVar("Made")


class Lately(Generic[Made]):
    """Something that is made anew once it is `seconds` old; while one thread makes it, others take what is there."""

    def __init__(self, seconds: float, make: Callable[[], Made]) -> None:
        self._seconds = seconds
        self._make = make
        self._making = threading.Lock()
        self._known: tuple[float, Made] | None = None

    def __call__(self) -> Made:
        known = self._known
        if known is not None and time.monotonic() - known[0] < self._seconds:
            return known[1]
        if known is not None and self._making.locked():
            return known[1]
        with self._making:
            if self._known is known:
                self._known = (time.monotonic(), self._make())
        return (self._known or (0.0, self._make()))[1]

    def forget(self) -> None:
        """Make it anew at the next question."""
        self._known = None


@dataclass(frozen=True, slots=True)
class Queue:
    """Tasks that wait and run now, and that ended in the last 24 hours; each at most `CAP`."""

    queued: int
    processing: int
    completed: int
    failed: int


@dataclass(frozen=True, slots=True)
class Hour:
    """What ended in the hour from `since` on."""

    since: datetime
    completed: int
    failed: int


@dataclass(frozen=True, slots=True)
class Spread:
    """Seconds: half of the durations, and 95 % of them, took no longer."""

    half: float
    most: float


@dataclass(frozen=True, slots=True)
class Latency:
    """Of the latest `tasks` that were answered in the last 24 hours: their time in line, and at work."""

    tasks: int
    waiting: Spread | None
    working: Spread | None


@dataclass(frozen=True, slots=True)
class Errors:
    """The codes of the latest `tasks` that failed in the last 24 hours, the most frequent first."""

    tasks: int
    codes: Sequence[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Spend:
    """What one model or one key used in `SPEND_DAYS` days; `cost` is in US dollars."""

    name: str
    tasks: int
    failed: int
    tokens: int
    cost: Decimal


@dataclass(frozen=True, slots=True)
class Host:
    """What one cluster last said of itself, and how many tasks it holds."""

    name: str
    is_alive: bool
    workers: int
    max_concurrent: int
    running: int
    memory_used_percent: float
    heartbeat_at: datetime


def _queue() -> Queue:
    return Queue(
        _counted(Task.objects.filter(status=Status.QUEUED)),
        _counted(Task.objects.filter(status=Status.PROCESSING)),
        _counted(_lately(Status.COMPLETED)),
        _counted(_lately(Status.FAILED)),
    )


def _hours() -> list[Hour]:
    """Hour by hour, the present one last. An hour that has passed is counted once."""
    present = timezone.now().replace(minute=0, second=0, microsecond=0)
    found = [_hour(present - timedelta(hours=ago)) for ago in reversed(range(HOURS))]
    for past in set(_passed) - {hour.since for hour in found}:
        _passed.pop(past, None)
    return found


def _hour(since: datetime) -> Hour:
    if since in _passed:
        return _passed[since]
    until = since + timedelta(hours=1)
    ended = Task.objects.filter(completed_at__gte=since, completed_at__lt=until)
    completed, failed = (
        _counted(ended.filter(status=Status.COMPLETED)),
        _counted(ended.filter(status=Status.FAILED)),
    )
    hour = Hour(since, completed, failed)
    if timezone.now() > until + _SETTLED:
        _passed[since] = hour
    return hour


def _latency() -> Latency:
    latest = _lately(Status.COMPLETED).order_by("-completed_at").values_list("created_at", "started_at", "completed_at")
    spans = [(start - come, end - start) for come, start, end in latest[:SAMPLE] if start and end]
    waiting = [max(0.0, wait.total_seconds()) for wait, _ in spans]
    working = [max(0.0, work.total_seconds()) for _, work in spans]
    return Latency(len(spans), _spread(waiting), _spread(working))


def _errors() -> Errors:
    codes = list(_lately(Status.FAILED).order_by("-completed_at").values_list("error_code", flat=True)[:SAMPLE])
    return Errors(len(codes), Counter(codes).most_common(_MOST))


def _spend_by_model() -> list[Spend]:
    rows = _usage("model")
    return [Spend(row["model"], *_sums(row)) for row in rows]


def _spend_by_key() -> list[Spend]:
    rows = _usage("api_key__prefix", "api_key__name", "owner__username")
    return [Spend(_called(row), *_sums(row)) for row in rows]


def _hosts() -> list[Host]:
    running = dict(
        Task.objects.filter(status=Status.PROCESSING).order_by().values_list("host").annotate(Count("seq"))[:CAP]
    )
    is_alive = ExpressionWrapper(host.alive(), output_field=BooleanField())
    known = WorkerHost.objects.annotate(alive_now=is_alive).order_by("host")[:_MOST_HOSTS]
    return [
        Host(
            each.host,
            bool(each.alive_now),
            each.workers,
            each.max_concurrent,
            running.get(each.host, 0),
            each.memory_used_percent,
            each.heartbeat_at,
        )
        for each in known
    ]


_passed: dict[datetime, Hour] = {}
queue = Lately(2.0, _queue)
hosts = Lately(2.0, _hosts)
hours = Lately(10.0, _hours)
latency = Lately(10.0, _latency)
errors = Lately(10.0, _errors)
spend_by_model = Lately(60.0, _spend_by_model)
spend_by_key = Lately(60.0, _spend_by_key)


def forget() -> None:
    """Ask everything anew."""
    _passed.clear()
    for each in (queue, hosts, hours, latency, errors, spend_by_model, spend_by_key):
        each.forget()


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that is not exceeded by `percent` % of the values (the nearest-rank method)."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(percent / 100 * len(ranked)) - 1)]


def _spread(seconds: Sequence[float]) -> Spread | None:
    return Spread(percentile(seconds, 50), percentile(seconds, 95)) if seconds else None


def _lately(status: Status) -> QuerySet[Task]:
    since = ExpressionWrapper(Now() - _DAY, output_field=DateTimeField())
    return Task.objects.filter(status=status, completed_at__gt=since)


def _counted(tasks: QuerySet[Task]) -> int:
    return tasks.order_by()[:CAP].count()


def _usage(*names: str) -> list[dict[str, Any]]:
    """The sums of what was used, the dearest first, then those with the most tokens."""
    first_day: date = timezone.now().date() - timedelta(days=SPEND_DAYS - 1)
    used = UsageOfDay.objects.filter(day__gte=first_day).order_by().values(*names)
    sums = used.annotate(
        all_tasks=Sum("tasks"),
        all_failed=Sum("failed"),
        tokens_in=Sum("input_tokens"),
        tokens_out=Sum("output_tokens"),
        all_cost=Sum("cost"),
    )
    return list(sums.order_by("-all_cost", "-tokens_in")[:_MOST])


def _sums(row: dict[str, Any]) -> tuple[int, int, int, Decimal]:
    tokens = (row["tokens_in"] or 0) + (row["tokens_out"] or 0)
    return row["all_tasks"] or 0, row["all_failed"] or 0, tokens, row["all_cost"] or Decimal()


def _called(row: dict[str, Any]) -> str:
    """A key by its first characters, its name and its user; a user without one alone."""
    owner: str = row["owner__username"]
    if row["api_key__prefix"] is None:
        return owner
    return f"{row['api_key__prefix']}… {row['api_key__name'] or ''}".strip() + f" ({owner})"
