"""What a claim of a task spends: set aside before a model is asked, settled when the claim ends, however it ends.

A reservation is the claim's and not the task's: a task that was cancelled or given to another worker may still have a
request under way, which is paid for. It ends with the claim's own settlement, or with the death of its worker, or by
itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import DateTimeField, ExpressionWrapper, QuerySet
from django.db.models.functions import Now

from processing.access import budgets, usage
from processing.access.budgets import Holder, Need
from processing.access.models import Reservation
from processing.access.usage import Account, Spent
from processing.counters import ledger
from processing.errors import ProcessingError
from processing.metrics import Increment
from processing.tasks.models import FINAL, Status, Task

ACCOUNTED = ("seq", "owner_id", "api_key_id", "model", "lease_token", "batch_id")  # what it takes to account for a task
STOPPING = timedelta(seconds=20)  # a worker that lost its task stops within two; what it spent is then told


def reserve(task: Task, token: int, need: Need, lasting: timedelta) -> bool:
    """As `budgets.reserve`, for a claim that is still held. Raises `ProcessingError` (`lease_lost`) for another."""
    with transaction.atomic():
        # Locked, so that who cancels the task comes before or after, and finds the reservation.
        held = Task.objects.select_for_update().filter(seq=task.seq, status=Status.PROCESSING, lease_token=token)
        if not held.values_list("seq").first():
            raise ProcessingError("The task is not this worker's any more.", "lease_lost")
        return budgets.reserve(account(task), Holder(task.seq, token), need, lasting)


def locked(tasks: QuerySet[Task], most: int | None = None) -> list[Task]:
    """These tasks, or the first of them, which nobody else changes until the transaction ends; with what their
    accounting needs."""
    return list(tasks.select_for_update().only(*ACCOUNTED).order_by("seq")[:most])


def account(task: Task) -> Account:
    """Who pays for a task."""
    return Account(task.owner_id, task.api_key_id)


def settle(
    task: Task,
    token: int,
    spent: Sequence[Spent],
    counted: Sequence[Increment] = (),
    *,
    ended: str = "",
    failed: bool = False,
) -> None:
    """Account for what a claim spent and count it beside what else is `counted` of it, and give back what it had
    reserved; inside the transaction that ends it."""
    usage.record(account(task), spent, ended=ended, failed=failed)
    ledger.add(*usage.counts(spent), *counted)
    Reservation.objects.filter(task=task.seq, token=token).delete()


def settle_late(task: Task, token: int, spent: Sequence[Spent], counted: Sequence[Increment] = ()) -> None:
    """The same for a claim that had already been lost: its tokens were spent all the same.

    It may have been lost to nobody: an end that was written and of which we did not hear is not counted twice.
    """
    with transaction.atomic():
        if not Task.objects.filter(seq=task.seq, lease_token=token, status__in=FINAL).exists():
            settle(task, token, spent, counted)


def count_ended(tasks: Iterable[Task], *, failed: bool) -> None:
    """Count tasks that ended and whose last claim spent nothing that we know of."""
    for task in sorted(tasks, key=lambda task: (task.owner_id, task.api_key_id or 0, task.model)):
        usage.record(account(task), (), ended=task.model, failed=failed)


def give_back(tasks: Iterable[Task]) -> None:
    """Free what the claims of these tasks had reserved, by the tokens that they were read with: their workers are
    dead."""
    for task in tasks:
        Reservation.objects.filter(task=task.seq, token=task.lease_token).delete()


def let_run_out(tasks: Iterable[Task]) -> None:
    """The same where workers may be alive: they have a moment to stop and to tell what they spent."""
    soon: Any = ExpressionWrapper(Now() + STOPPING, output_field=DateTimeField())
    Reservation.objects.filter(task__in=[task.seq for task in tasks], until__gt=soon).update(until=soon)
