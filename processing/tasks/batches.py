"""The end of a batch: written once, by whoever ends its last task, or by whoever finds that nobody could."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now

from processing.tasks.models import FINAL, Batch, Task

logger = logging.getLogger(__name__)

_OPEN_AT_ONCE = 200  # batches looked at in one round


def after_ending(tasks: Iterable[Task]) -> None:
    """Once the transaction that ends these tasks is committed, end the batches whose last ones they were.

    Not within it: of two that end the last two tasks at once, neither would see the other's. One that dies in between
    leaves the batch to `close_ended`, and so does one whose database goes away: the tasks have ended all the same.
    """
    for seq in {task.batch_id for task in tasks if task.batch_id is not None}:
        transaction.on_commit(partial(_close, seq), robust=True)


def _close(seq: int) -> None:
    close(seq)


def close(seq: int) -> bool:
    """Write that the batch has ended, if all its tasks have and nobody wrote it before; whether it was this caller.

    Whoever tells of ends (`delivery`) finds it marked for that.
    """
    with transaction.atomic():
        ended = Batch.objects.filter(seq=seq, completed_at=None).exclude(Exists(_unended()))
        won = bool(ended.update(completed_at=Now(), is_untold=True))
    if won:
        logger.info("batch ended", extra={"batch": seq})
    return won


def close_ended() -> int:
    """End the batches whose tasks have all ended without anybody having written it. Returns how many."""
    open_ones = Batch.objects.filter(completed_at=None).exclude(Exists(_unended())).order_by("seq")
    return sum(close(seq) for seq in open_ones.values_list("seq", flat=True)[:_OPEN_AT_ONCE])


def _unended() -> QuerySet[Task]:
    return Task.objects.filter(batch=OuterRef("seq")).exclude(status__in=FINAL)
