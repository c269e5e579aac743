"""Puts right, from the rows and what lies in the storage, whatever was lost or left over: every few seconds, by any one
host at a time."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import Error, connection
from django.db.models import DateTimeField, ExpressionWrapper
from django.db.models.functions import Now

from modelsregistry import probing
from processing.access import idempotency
from processing.counters import ledger
from processing.documents import disposal
from processing.documents.sweep import Sweep
from processing.errors import StorageUnavailable
from processing.queue import host, retention
from processing.queue.models import Duty
from processing.runtime.configuration import current
from processing.tasks import batches, losses
from processing.tasks.journal import keeping
from processing.tasks.models import Status, Task

logger = logging.getLogger(__name__)

EVERY = timedelta(seconds=15)
_AT_MOST = timedelta(minutes=5)  # how long one round may last before another host takes over
_DUTY = "reconcile"
_TASKS_LOOKED_AT = 200  # in each round
_FILES_LOOKED_AT = 2000  # in each round


@dataclass(frozen=True, slots=True)
class Summary:
    """What one round did: tasks whose worker died and that were given back or ended, waiting tasks ended because their
    document is gone, files without a row deleted, old tasks and old documents deleted, stored readings and answers
    deleted, batches ended whose last task nobody saw ending, old batches and idempotency keys deleted, tasks whose
    events nobody can want any more."""

    tasks_reaped: int
    tasks_without_document: int
    files_without_row: int
    tasks_deleted: int
    documents_deleted: int
    cached_deleted: int
    batches_ended: int
    batches_deleted: int
    idempotency_keys_deleted: int
    tasks_forgotten: int


class Reconciler:
    """Runs rounds in a thread of its own, so that a slow storage holds nobody up; one object for each process."""

    def __init__(self) -> None:
        self._sweep = Sweep()
        self._checked_up_to = 0  # the arrival number up to which waiting tasks were looked at
        self._next_try = 0.0
        self._thread: threading.Thread | None = None

    def maybe_run(self, *, reap: bool) -> None:
        """Begin a round if one is due and none is under way; returns at once. `reap`: whether leases that ran out may
        be taken for those of the dead."""
        if time.monotonic() < self._next_try or self.is_at_work:
            return
        self._next_try = time.monotonic() + EVERY.total_seconds()
        self._thread = threading.Thread(target=self._run, args=(reap,), name="reconcile", daemon=True)
        self._thread.start()

    @property
    def is_at_work(self) -> bool:
        """Whether a round is under way."""
        return self._thread is not None and self._thread.is_alive()

    def wait(self, seconds: float) -> None:
        """Let a round that is under way end, for at most so long."""
        if self._thread is not None:
            self._thread.join(seconds)

    def run(self, *, reap: bool = True) -> Summary | None:
        """One round; None where it is not due, or another host is at it."""
        if not _take():
            return None
        try:
            summary = self._round(reap=reap)
        finally:
            _leave()
        if any(asdict(summary).values()):
            logger.info("reconciled", extra=asdict(summary))
        return summary

    def _round(self, *, reap: bool) -> Summary:
        parameters = current().parameters
        _or_nothing(ledger.fold)  # Always something, so no news.
        return Summary(
            tasks_reaped=_or_nothing(losses.reap) if reap else 0,
            tasks_without_document=_or_nothing(self._end_tasks_without_document),
            files_without_row=_or_nothing(lambda: self._sweep.go_on(_FILES_LOOKED_AT)),
            tasks_deleted=_or_nothing(lambda: retention.delete_old_tasks(parameters)),
            documents_deleted=_or_nothing(lambda: retention.erase_expired_documents(parameters)),
            cached_deleted=_or_nothing(lambda: retention.delete_cached(parameters)),
            batches_ended=_or_nothing(batches.close_ended),
            batches_deleted=_or_nothing(lambda: retention.delete_old_batches(parameters)),
            idempotency_keys_deleted=_or_nothing(idempotency.delete_expired),
            tasks_forgotten=_or_nothing(keeping.sweep),
        )

    def _run(self, reap: bool) -> None:  # noqa: FBT001 - a thread's target
        try:
            self.run(reap=reap)
            probing.probe_due(settings.VARIABLES)  # After the duty, which others may do meanwhile.
        except Error:
            logger.warning("could not reconcile", exc_info=True)
        finally:
            connection.close()

    def _end_tasks_without_document(self) -> int:
        """Look for the bytes of the next waiting tasks; after the last, begin anew."""
        waiting = Task.objects.filter(status=Status.QUEUED, seq__gt=self._checked_up_to).order_by("seq")
        rows = list(waiting.values_list("seq", "document__path")[:_TASKS_LOOKED_AT])
        self._checked_up_to = rows[-1][0] if len(rows) == _TASKS_LOOKED_AT else 0
        gone = disposal.gone({path for _, path in rows if path is not None})
        return losses.end_without_document([seq for seq, path in rows if path is None or path in gone])


_reconciler = Reconciler()


def maybe_run(*, reap: bool) -> None:
    """Begin a round of this process's reconciler if one is due; `reap` as in `Reconciler.maybe_run`."""
    _reconciler.maybe_run(reap=reap)


def is_at_work() -> bool:
    """Whether a round of this process's reconciler is under way."""
    return _reconciler.is_at_work


def wait(seconds: float) -> None:
    """Let a round that is under way end, for at most so long."""
    _reconciler.wait(seconds)


def _take() -> bool:
    """Whether the round is ours, by the database's clock: of any number of hosts that ask, one gets it."""
    due = Duty.objects.filter(name=_DUTY, due_at__lte=Now())
    claimed = {"host": host.name(), "pid": os.getpid(), "due_at": _from_now(_AT_MOST)}
    if due.update(**claimed):
        return True
    _, created = Duty.objects.get_or_create(name=_DUTY)
    return created and bool(due.update(**claimed))


def _leave() -> None:
    Duty.objects.filter(name=_DUTY, host=host.name(), pid=os.getpid()).update(due_at=_from_now(EVERY))


def _or_nothing(step: Callable[[], int]) -> int:
    """What a step did. One that fails, because of a storage that does not answer, say, keeps no other from its turn."""
    try:
        return step()
    except (OSError, Error, StorageUnavailable):
        logger.warning("could not reconcile", exc_info=True)
        connection.close()
        return 0


def _from_now(span: timedelta) -> ExpressionWrapper[Any]:
    return ExpressionWrapper(Now() + span, output_field=DateTimeField())
