"""Wakes workers when there is work: the Task rows are the queue, django-q2 keeps the pool of processes.

django-q2 asks its broker for work in one process of the cluster (the pusher) and hands what it gets to idle workers. A
delivery of ours means "there is work", not "this work": the worker claims the next row itself, so a delivery that is
lost or doubled costs nothing but a look at the table.
"""

from __future__ import annotations

import logging
import time
import uuid
from typing import Any

from django.db import Error, connection
from django.utils import timezone
from django_q.brokers import Broker
from django_q.signing import SignedPackage

from processing.queue import host
from processing.runtime.capacity import effective_max_concurrent
from processing.runtime.configuration import current
from processing.tasks import lifecycle
from processing.tasks.models import Status, Task

logger = logging.getLogger(__name__)

WORK = "processing.queue.worker.work"
_TURN = 1.0  # seconds; the pusher looks for its stop event between turns
_LOOK_AGAIN = 0.25  # seconds; tasks become due and slots become free without a change of the database
_GLANCE = 0.02  # seconds between two looks at SQLite's change counter: 0.8 % of a core


class TaskBroker(Broker):  # type: ignore[misc]  # django-q2 has no types
    """The `broker_class` of the cluster. Nothing is ever enqueued here: submitting a task is writing its row."""

    _seen = -1  # the database's change counter when we last looked
    _delivered = False  # whether that look ended in deliveries, which workers are about to take

    def dequeue(self) -> list[tuple[None, str]] | None:
        """As many deliveries as there are tasks due and slots free on this host; None after a second without any."""
        end = time.monotonic() + _TURN
        try:
            while time.monotonic() < end:
                if self._delivered:
                    self._wait_for_change(end)
                self._seen = _change_counter()
                wanted = self._wanted()
                self._delivered = wanted > 0
                if wanted:
                    return [(None, _delivery()) for _ in range(wanted)]
                self._wait_for_change(end)
        except Error:
            logger.exception("Failed to look for work")
            connection.close()
            time.sleep(_TURN)
        return None

    def _wanted(self) -> int:
        free = self._free_slots()
        return lifecycle.due()[:free].count() if free else 0

    def _free_slots(self) -> int:
        limit = effective_max_concurrent(current().parameters)
        return max(0, limit - Task.objects.filter(status=Status.PROCESSING, host=host.name()).count())

    def _wait_for_change(self, end: float) -> None:
        """Sleep until another connection has written since the last look, but not for long."""
        until = min(end, time.monotonic() + _LOOK_AGAIN)
        while time.monotonic() < until and _change_counter() == self._seen:
            time.sleep(_GLANCE)

    def ping(self) -> bool:
        return True

    def queue_size(self) -> int:
        return lifecycle.due().count()

    def info(self) -> str:
        return "Task rows"


def _change_counter() -> int:
    """A number that changes when another connection commits; where the database has none, one that never stays."""
    if connection.vendor != "sqlite":
        return time.monotonic_ns() // 100_000_000
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA data_version")
        return int(cursor.fetchone()[0])


def _delivery() -> str:
    """django-q2's own package around a call of the worker, which takes no arguments."""
    identifier = uuid.uuid4().hex
    package: dict[str, Any] = {
        "id": identifier,
        "name": identifier,
        "func": WORK,
        "args": (),
        "kwargs": {},
        "started": timezone.now(),
        "ack_failure": True,
    }
    signed: str = SignedPackage.dumps(package)
    return signed
