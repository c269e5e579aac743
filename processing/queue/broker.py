"""Wakes workers when there is work: the Task rows are the queue, django-q2 keeps the pool of processes.

django-q2 asks its broker for work in one process of the cluster (the pusher) and hands what it gets to idle workers. A
delivery of ours means "there is work", not "this work": the worker claims the next row itself, so a delivery that is
lost or doubled costs nothing but a look at the table.
"""

from __future__ import annotations

import functools
import logging
import time
import uuid
from typing import Any

from django.db import Error, connection
from django.utils import timezone
from django_q.brokers import Broker
from django_q.signing import SignedPackage

from processing.queue import demand, wakeup
from processing.queue.wakeup import WakeUp
from processing.tasks import lifecycle

logger = logging.getLogger(__name__)

WORK = "processing.queue.worker.work"
_TURN = 0.5  # seconds between two looks at most: not all that changes what may start is told by the database
_PAUSE = 1.0  # seconds after a look that failed


class TaskBroker(Broker):  # type: ignore[misc]  # django-q2 has no types
    """The `broker_class` of the cluster. Nothing is ever enqueued here: submitting a task is writing its row."""

    _delivered = False  # whether the last look ended in deliveries, which workers are about to take
    _answering = True  # whether the database did: an outage is told once

    @functools.cached_property
    def _wakeup(self) -> WakeUp:
        return wakeup.of_this_database()

    def dequeue(self) -> list[tuple[None, str]] | None:
        """As many deliveries as there are tasks due and slots free on this host; None after a turn without any."""
        end = time.monotonic() + _TURN
        try:
            while time.monotonic() < end:
                if self._delivered:
                    self._wait_for_change(end)
                self._wakeup.arm()
                found = demand.now()
                self._delivered = found.wanted > 0
                if found.wanted:
                    return [(None, _delivery()) for _ in range(found.wanted)]
                self._wait_for_change(end, demand.seconds_until_due() if found.later else None)
            self._answering = True
        except Error:
            connection.close()
            if self._answering:
                logger.exception("Failed to look for work")
            self._answering = False
            self._delivered = False
            time.sleep(_PAUSE)
        return None

    def _wait_for_change(self, end: float, seconds: float | None = None) -> None:
        """Sleep until something was written since the last look, for so many seconds or until `end`."""
        left = max(0.0, end - time.monotonic())
        self._wakeup.wait(left if seconds is None else min(left, seconds))

    def ping(self) -> bool:
        return True

    def queue_size(self) -> int:
        return lifecycle.due().count()

    def info(self) -> str:
        return "Task rows"


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
