"""What becomes of tasks that nobody works on any more: given back to the queue, or ended, and accounted for as
`lifecycle` does it.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from processing.counters import ledger
from processing.tasks import attempts, batches, counts, endings, spending
from processing.tasks.models import Status, Task

logger = logging.getLogger(__name__)


def reap(seqs: Collection[int] | None = None) -> int:
    """Give tasks whose lease ran out, or those of them that are named, back to the queue, or end them when no attempt
    is left. Returns how many. Only for one who knows that the database has answered their holders meanwhile."""
    lost = Task.objects.filter(status=Status.PROCESSING, lease_expires_at__lt=Now())
    if seqs is not None:
        lost = lost.filter(seq__in=seqs)
    if not lost.exists():  # Asked every other second, and nearly always so: a read costs a tenth of two writes.
        return 0
    with transaction.atomic():
        # All at once and in order, before anything else is locked, as a late worker locks its task first.
        held = list(lost.select_for_update().only(*spending.ACCOUNTED, "attempts", "max_attempts").order_by("seq"))
        spent = _end(
            lost.filter(seq__in=[task.seq for task in held if task.attempts >= task.max_attempts]),
            "The task was tried as often as allowed, and each time its worker died.",
            "attempts_exhausted",
            past_attempts=attempts.ended("lost"),
        )
        again = [task for task in held if task.attempts < task.max_attempts]
        _back_to_the_queue(again, past_attempts=attempts.ended("lost"))
        left = [*spent, *again]
        ledger.add(*counts.attempts("lost", len(left)))
        (spending.let_run_out if seqs is None else spending.give_back)(left)
    if left:
        logger.warning("leases ran out", extra={"failed": len(spent), "queued_again": len(again)})
    return len(left)


def end_without_document(seqs: Collection[int]) -> int:
    """End waiting tasks whose document is gone, so that nobody waits for them in vain. Returns how many."""
    if not seqs:
        return 0
    waiting = Task.objects.filter(seq__in=seqs, status=Status.QUEUED)
    with transaction.atomic():
        ended = _end(waiting, "The document of this task has been deleted.", "document_gone")
    if ended:
        logger.warning("tasks without a document ended", extra={"count": len(ended)})
    return len(ended)


def release_host(host: str, pids: Collection[int]) -> int:
    """Give all tasks that processes of a cluster which has ended still hold back to the queue, at once. The attempt was
    cut short by an operator and not by the task: it is allowed one more. Returns how many."""
    with transaction.atomic():
        held = spending.locked(Task.objects.filter(status=Status.PROCESSING, host=host, worker_pid__in=pids))
        _back_to_the_queue(held, max_attempts=F("max_attempts") + 1, past_attempts=attempts.ended("interrupted"))
        ledger.add(*counts.attempts("interrupted", len(held)))
        spending.give_back(held)
    return len(held)


def _end(tasks: QuerySet[Task], error: str, code: str, **columns: Any) -> list[Task]:
    """End tasks that nobody works on as failed, and count them. Returns which."""
    ended = spending.locked(tasks)
    Task.objects.filter(seq__in=[task.seq for task in ended]).update(
        status=Status.FAILED,
        step="failed",
        error=error,
        error_type="processing_error",
        error_code=code,
        lease_token=F("lease_token") + 1,
        lease_expires_at=None,
        completed_at=Now(),
        **columns,
    )
    spending.count_ended(ended, failed=True)
    ledger.add(*(each for task in ended for each in counts.failed(task.model, code)))
    endings.note(ended, Status.FAILED)
    batches.after_ending(ended)
    return ended


def _back_to_the_queue(tasks: Collection[Task], **columns: Any) -> None:
    Task.objects.filter(seq__in=[task.seq for task in tasks]).update(
        status=Status.QUEUED,
        step="waiting to be tried again",
        progress=0.0,
        lease_token=F("lease_token") + 1,
        lease_expires_at=None,
        available_at=Now(),
        **columns,
    )
