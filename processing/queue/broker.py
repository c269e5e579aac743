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

from processing.queue import admission, host, wakeup
from processing.queue.wakeup import WakeUp
from processing.runtime.capacity import effective_max_concurrent
from processing.runtime.configuration import current
from processing.tasks import lifecycle
from processing.tasks.models import Status, Task

logger = logging.getLogger(__name__)

WORK = "processing.queue.worker.work"
_TURN = 1.0  # seconds; the pusher looks for its stop event between turns
_LOOK_AGAIN = 0.25  # seconds; tasks become due and slots become free without a change of the database


class TaskBroker(Broker):  # type: ignore[misc]  # django-q2 has no types
    """The `broker_class` of the cluster. Nothing is ever enqueued here: submitting a task is writing its row."""

    _delivered = False  # whether the last look ended in deliveries, which workers are about to take
    _answering = True  # whether the database did: an outage is told once

    @functools.cached_property
    def _wakeup(self) -> WakeUp:
        return wakeup.of_this_database()

    def dequeue(self) -> list[tuple[None, str]] | None:
        """As many deliveries as there are tasks due and slots free on this host; None after a second without any."""
        end = time.monotonic() + _TURN
        try:
            while time.monotonic() < end:
                if self._delivered:
                    self._wait_for_change(end)
                self._wakeup.arm()
                wanted = self.wanted()
                self._delivered = wanted > 0
                if wanted:
                    return [(None, _delivery()) for _ in range(wanted)]
                self._wait_for_change(end)
            self._answering = True
        except Error:
            connection.close()
            if self._answering:
                logger.exception("Failed to look for work")
            self._answering = False
            self._delivered = False
            time.sleep(_TURN)
        return None

    def wanted(self) -> int:
        """How many deliveries would find work: tasks due, for which slots are free on this host."""
        free = 0 if admission.memory_is_short(current().parameters) else self._free_slots()
        return lifecycle.count_due(free) if free else 0

    def _free_slots(self) -> int:
        limit = effective_max_concurrent(current().parameters)
        return max(0, limit - Task.objects.filter(status=Status.PROCESSING, host=host.name()).count())

    def _wait_for_change(self, end: float) -> None:
        """Sleep until something was written since the last look, but not for long."""
        self._wakeup.wait(max(0.0, min(end - time.monotonic(), _LOOK_AGAIN)))

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
