"""Whether a submission may be taken: the switch, the bounds of the queue, of memory and of the disk, asked before the
body is read and, but for memory and disk, again before the task is written."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from django.db import connection
from django.db.models import QuerySet

from processing.documents import space
from processing.errors import LimitReached, ServiceUnavailable
from processing.queue import pace
from processing.runtime.capacity import memory_usage
from processing.runtime.parameters import BYTES_PER_MB, Parameters
from processing.tasks.models import Status, Task

logger = logging.getLogger(__name__)

# Far from the bound a process counts the whole queue once a second; the bound is far while this many more would fit,
# which is more than all hosts of one database write in a second.
_FAR = 2000
_FRESH = 1.0
_CLOSED_FOR = 60  # seconds that a caller is told to wait while the service is switched off
# PostgreSQL: the key of the lock that those who come near a bound take in turn. SQLite has one writer at a time anyway.
_LOCK_OF_QUEUE = 0x41504932

_counted: tuple[float, int] | None = None  # when, and how many waited
_was_short = False  # of memory, when asked last


@dataclass(frozen=True, slots=True)
class Caller:
    """Who submits: a user, by one of their API keys or (None) by a session."""

    owner_id: int
    api_key_id: int | None


def require_switched_on(parameters: Parameters) -> None:
    """Raises `ServiceUnavailable` (`disabled`) while an administrator lets nothing new in; what was taken goes on."""
    if not parameters.enabled:
        raise ServiceUnavailable("API v2 is switched off.", "disabled", retry_after=_CLOSED_FOR)


def require_room(caller: Caller, parameters: Parameters, tasks: int = 1) -> None:
    """Refuse a task, or so many, beyond the bounds of the queue. Inside the transaction that writes them the bounds are
    exact.

    Raises `LimitReached` (`too_many_waiting`) and `ServiceUnavailable` (`queue_full`).
    """
    exact = connection.in_atomic_block
    own = _waiting().filter(owner_id=caller.owner_id, api_key_id=caller.api_key_id)
    if exact:
        _take_turns(caller.owner_id)
    if _reaches(own, parameters.max_waiting_per_key - tasks + 1):
        share = _known_waiting() / parameters.max_waiting_per_key
        most = parameters.max_waiting_per_key
        raise LimitReached(
            f"{most} of your tasks are waiting already."
            if tasks == 1
            else f"At most {most} of your tasks may wait; there is no room for {tasks} more.",
            "too_many_waiting",
            retry_after=pace.come_back_in(max(1.0, share)),
        )
    if _is_full(parameters.max_waiting - tasks + 1, exact=exact):
        raise ServiceUnavailable("Too many tasks are waiting.", "queue_full", retry_after=pace.come_back_in())


def require_means(parameters: Parameters, incoming: int = 0) -> None:
    """Refuse work for which memory is short, or the disk with `incoming` more bytes.

    Raises `ServiceUnavailable` (`memory_pressure`, `disk_full`).
    """
    if memory_is_short(parameters):
        raise ServiceUnavailable(
            "The service is short of memory.", "memory_pressure", retry_after=pace.come_back_in(max(1, pace.slots()))
        )
    if space.is_short(parameters.min_free_disk_mb * BYTES_PER_MB, incoming):
        raise space.refusal()


def memory_is_short(parameters: Parameters) -> bool:
    """Whether nothing new may start on this host: its working set is past the threshold, and is to be watched."""
    global _was_short
    management = parameters.memory_management
    used = memory_usage().used_percent
    is_short = management.monitor_usage and used >= management.emergency_stop_threshold
    if is_short != _was_short:
        _was_short = is_short
        if is_short:
            logger.warning("memory is short: nothing new begins", extra={"used_percent": used})
        else:
            logger.info("memory is enough again", extra={"used_percent": used})
    return is_short


def forget() -> None:
    """Count anew at the next question."""
    global _counted, _was_short
    _counted, _was_short = None, False


def _waiting() -> QuerySet[Task]:
    return Task.objects.filter(status=Status.QUEUED).order_by()


def _reaches(tasks: QuerySet[Task], bound: int) -> bool:
    return bound <= 0 or tasks[:bound].count() >= bound


def _is_full(bound: int, *, exact: bool) -> bool:
    if bound - _known_waiting() > _FAR:
        return False
    if exact:
        _take_turns(0)
    return _reaches(_waiting(), bound)


def _known_waiting() -> int:
    """How many tasks wait, at most a second old."""
    global _counted
    now = time.monotonic()
    known = _counted
    if known is None or now - known[0] >= _FRESH:
        _counted = known = (now, _waiting().count())
    return known[1]


def _take_turns(whose: int) -> None:
    """Until this transaction ends, nobody else counts what is about to change."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK_OF_QUEUE, whose])
