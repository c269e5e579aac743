"""The verbs that change a task, each one conditional update, so that of two writers exactly one wins.

    submit → queued ──claim──→ processing ──complete──→ completed
                ↑                  │  │ └───fail──────→ failed    ──retry──→ queued
                └────release───────┘  └──(cancel)─────→ cancelled ──retry──→ queued

A claim holds a lease: while the worker renews it the task is the worker's; when it runs out, `losses` gives it back.
Every claim raises the fencing token, and so does a cancel: whoever writes with an older token changes nothing.
Leases run by the database's clock, so that hosts need not agree on the time.

Whatever ends a claim or a task accounts for it in the same transaction (`spending`), and whatever changes one counts it
there (`counts`); whatever ends a task also notes that it is to be told of (`endings`).
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import DateTimeField, ExpressionWrapper, F, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from modelsregistry import secrets
from processing import metrics
from processing.access import audit
from processing.access.audit import Actor, Target
from processing.access.usage import Spent
from processing.counters import ledger
from processing.documents.models import StoredDocument
from processing.errors import InvalidInput, NotFound, ProcessingError
from processing.metrics import Increment
from processing.tasks import attempts, batches, counts, endings, spending, taking
from processing.tasks.models import ATTEMPTS, FINAL, RETRYABLE, Status, Task

logger = logging.getLogger(__name__)

# A task of a dead host is to run again within 30 seconds. Holders renew their lease four times as often, and wait for
# no lock of SQLite's nearly as long (`queue.watch`).
LEASE = timedelta(seconds=20)
_CANCELLED_AT_ONCE = 100  # tasks of a batch in one transaction, so that others write in between
BACKOFF = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Submission:
    """What a caller asks for, already validated. `options` is what `pipeline.options` wrote; of those that wait, the
    ones of the highest `priority` come first; `webhook_url` is told of the task's end; `document_password` opens the
    document, and is kept encrypted until the task is completed. A submission with a
    `fingerprint` is the same as another that came shortly before with the same one."""

    owner_id: int
    api_key_id: int | None
    document: StoredDocument
    prompt: str
    model: str
    options: dict[str, Any]
    configuration_revision: int
    request_id: str
    priority: int = 0
    webhook_url: str = ""
    document_password: str = field(default="", repr=False)
    fingerprint: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker's right to a task until its lease runs out."""

    task: Task
    token: int
    began: float = field(default_factory=time.monotonic, compare=False)

    @property
    def id(self) -> uuid.UUID:
        return self.task.id


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished task: the `result` of the contract, and what is kept beside it in columns of their own."""

    result: dict[str, Any]
    model_used: str
    pages: int | None
    input_tokens: int
    output_tokens: int
    task_peak_mb: float | None
    cost: Decimal | None = None  # US dollars
    cost_estimated: bool = False
    cache: str = ""  # what of it was stored before: `model` or `reading`
    seconds: Mapping[str, float] = field(default_factory=dict)  # by step


def submit(submission: Submission) -> Task:
    """Write the task as `queued`. From the commit on it is a promise."""
    task = unwritten(submission)
    with transaction.atomic(savepoint=False):
        task.save(force_insert=True)
        ledger.add(*metrics.SUBMITTED.by(1))
    return task


def unwritten(submission: Submission) -> Task:
    """The task as `submit` writes it."""
    document = submission.document
    return Task(
        owner_id=submission.owner_id,
        api_key_id=submission.api_key_id,
        document=document,
        request_id=submission.request_id,
        webhook_url=submission.webhook_url,
        prompt=submission.prompt,
        model=submission.model,
        options=submission.options,
        document_secret=secrets.encrypt(submission.document_password),
        configuration_revision=submission.configuration_revision,
        priority=submission.priority,
        fingerprint=submission.fingerprint,
        filename=document.filename,
        file_size=document.size,
        file_type=document.media_type,
        pages=document.pages,
    )


def due() -> QuerySet[Task]:
    """The tasks that could be claimed now, without order."""
    return Task.objects.filter(status=Status.QUEUED, available_at__lte=Now())


def claim(host: str, pid: int, limit: int) -> Claim | None:
    """Take the next task in order, or None: nothing is due, or `limit` tasks already run on this host.

    The attempt is counted here, before the work begins, so that a task which kills its worker cannot run for ever.
    """
    with transaction.atomic():
        seq = taking.take(host, pid, limit, LEASE)
        if seq is None:
            return None
        task = Task.objects.select_related("document").get(seq=seq)
    return Claim(task, task.lease_token)


def heartbeat(claim: Claim) -> bool:
    """Renew the lease; False when the task is no longer this worker's (cancelled, or given to another)."""
    return _held(claim).update(lease_expires_at=_from_now(LEASE)) == 1


def still_held(claim: Claim) -> bool:
    """Whether the task is still this worker's. A read: cheap enough to ask often."""
    return _held(claim).exists()


def held(claim: Claim) -> QuerySet[Task]:
    """The task while it is this worker's, and nothing afterwards: the condition of whatever a worker writes."""
    return _held(claim)


def progress(claim: Claim, percent: float, step: str) -> bool:
    """Say how far the work is, in percent of the whole, and what it is doing; False when the lease is lost."""
    return _held(claim).update(progress=min(max(percent, 0.0), 99.9), step=step[:120]) == 1


def complete(
    claim: Claim, outcome: Outcome, spent: Sequence[Spent] | None = None, counted: Sequence[Increment] = ()
) -> bool:
    """Put the answer on the task; False when the lease is lost, and then nothing is written.

    `spent` is all that was spent on the way; without it, what the outcome says. `counted` is what else is to be counted
    of the claim, as with the other verbs that end one.
    """
    if spent is None:
        spent = (Spent(outcome.model_used, outcome.input_tokens, outcome.output_tokens, outcome.cost),)
    won = _finish(
        claim,
        Status.COMPLETED,
        spent,
        (*counted, *_counts(claim, outcome)),
        progress=100.0,
        step="completed",
        past_attempts=attempts.last(claim.task, "completed"),
        document_secret="",
        result=outcome.result,
        model_used=outcome.model_used,
        pages=outcome.pages,
        input_tokens=outcome.input_tokens,
        output_tokens=outcome.output_tokens,
        cost=outcome.cost,
        cost_estimated=outcome.cost_estimated,
        cache=outcome.cache,
        task_peak_mb=outcome.task_peak_mb,
        error="",
        error_type="",
        error_code="",
    )
    _log("task completed" if won else "late answer dropped", claim)
    return won


def fail(claim: Claim, error: ProcessingError, spent: Sequence[Spent] = (), counted: Sequence[Increment] = ()) -> bool:
    """End the task as `failed`, or put it back in line while the error is retryable and attempts are left; False when
    the lease is lost, and then nothing is written."""
    task = claim.task
    if error.retryable and task.attempts < task.max_attempts:
        delay = error.retry_after or BACKOFF.total_seconds() * 2 ** (task.attempts - 1)
        return release(claim, delay=delay, spent=spent, counted=counted, ending="failed", code=error.code)
    won = _finish(
        claim,
        Status.FAILED,
        spent,
        (*counted, *counts.failed(task.model, error.code), *counts.attempts("failed")),
        step="failed",
        past_attempts=attempts.last(task, "failed", error.code),
        error=error.detail,
        error_type=error.error_type,
        error_code=error.code,
    )
    _log("Failed task" if won else "late failure dropped", claim, code=error.code)
    return won


def release(
    claim: Claim,
    *,
    delay: float = 0.0,
    spent: Sequence[Spent] = (),
    counted: Sequence[Increment] = (),
    ending: str = "given_back",
    code: str = "",
) -> bool:
    """Give the task back to the queue, due again in `delay` seconds; `ending` and `code` say how this attempt ended."""
    past = attempts.ended(ending, code)
    counted = (*counted, *counts.attempts(ending))
    released = _requeue(claim, delay, spent, counted, step="waiting to be tried again", past_attempts=past)
    _log("task released" if released else "late release dropped", claim, delay=delay)
    return released


def put_off(claim: Claim, *, delay: float, wait: str = "its budget") -> bool:
    """The same for a task that has not begun, because what it needs is in use or away: that was no attempt. `wait` says
    what it waits for."""
    put = _requeue(claim, delay, (), (), step=f"waiting for {wait}", attempts=F("attempts") - 1)
    _log("task put off" if put else "late release dropped", claim, delay=delay)
    return put


def cancel(owner_id: int, task_id: uuid.UUID, by: Actor = audit.SERVICE) -> datetime:
    """End the owner's task as `cancelled`, which is final; the worker that runs it notices and stops.

    Returns when. Raises `NotFound` for a stranger's task, `InvalidInput` (`task_finished`) for one that has ended.
    """
    own = Task.objects.filter(owner_id=owner_id, id=task_id)
    with transaction.atomic():
        won = own.exclude(status__in=FINAL).update(
            status=Status.CANCELLED,
            step="cancelled",
            past_attempts=attempts.ended_if_running("cancelled"),
            lease_token=F("lease_token") + 1,
            lease_expires_at=None,
            completed_at=Now(),
        )
        task = own.only(*spending.ACCOUNTED, "status", "completed_at").first()
        if task is None:
            raise NotFound("There is no such task.", "task_not_found")
        if not won:
            raise InvalidInput(f"The task has already ended: it is {task.status}.", "task_finished")
        spending.count_ended([task], failed=False)
        ledger.add(*counts.cancelled(task.model))
        endings.note([task], Status.CANCELLED)
        spending.let_run_out([task])
        batches.after_ending([task])
        audit.record(by, "cancelled", target(task_id, owner_id))
    logger.info("task cancelled", extra={"task": task_id})
    return task.completed_at or timezone.now()


def cancel_batch(seq: int) -> int:
    """End those tasks of a batch that have not ended, as `cancel` does. Returns how many."""
    open_ones = Task.objects.filter(batch=seq).exclude(status__in=FINAL)
    cancelled = 0
    while True:
        with transaction.atomic():
            ended = spending.locked(open_ones, _CANCELLED_AT_ONCE)
            Task.objects.filter(seq__in=[task.seq for task in ended]).update(
                status=Status.CANCELLED,
                step="cancelled",
                past_attempts=attempts.ended_if_running("cancelled"),
                lease_token=F("lease_token") + 1,
                lease_expires_at=None,
                completed_at=Now(),
            )
            spending.count_ended(ended, failed=False)
            ledger.add(*(each for task in ended for each in counts.cancelled(task.model)))
            endings.note(ended, Status.CANCELLED)
            spending.let_run_out(ended)
            batches.after_ending(ended)
        cancelled += len(ended)
        if len(ended) < _CANCELLED_AT_ONCE:
            return cancelled


def target(task_id: uuid.UUID, owner_id: int) -> Target:
    """A task as the audit names it: not by its file's name, which would outlive its erasure there."""
    return Target("task", str(task_id), f"of user {owner_id}")


def retry(owner_id: int, task_id: uuid.UUID) -> bool:
    """Put the owner's failed or cancelled task back in line, where its arrival places it, as if it had never been
    tried; False where it is not failed or cancelled (any more) or its document is gone, and then nothing is written."""
    ended = Task.objects.filter(owner_id=owner_id, id=task_id, status__in=RETRYABLE, document__isnull=False)
    with transaction.atomic(savepoint=False):
        won = ended.update(
            status=Status.QUEUED,
            step="waiting to be tried again",
            progress=0.0,
            past_attempts=attempts.with_end(),
            attempts=0,
            max_attempts=ATTEMPTS,
            lease_token=F("lease_token") + 1,
            lease_expires_at=None,
            available_at=Now(),
            host="",
            worker_pid=None,
            started_at=None,
            completed_at=None,
            error="",
            error_type="",
            error_code="",
        )
        ledger.add(*metrics.RETRIED.by(won))
    if won:
        logger.info("task queued again", extra={"task": task_id})
    return won == 1


def _counts(claim: Claim, outcome: Outcome) -> tuple[Increment, ...]:
    worked = time.monotonic() - claim.began
    return counts.completed(claim.task, outcome.model_used, outcome.pages, worked, outcome.seconds)


def _held(claim: Claim) -> QuerySet[Task]:
    return Task.objects.filter(seq=claim.task.seq, status=Status.PROCESSING, lease_token=claim.token)


def _finish(claim: Claim, status: Status, spent: Sequence[Spent], counted: Sequence[Increment], **columns: Any) -> bool:
    with transaction.atomic():
        won = bool(_held(claim).update(status=status, completed_at=Now(), lease_expires_at=None, **columns))
        if won:
            ended = columns.get("model_used") or claim.task.model
            failed = status == Status.FAILED
            spending.settle(claim.task, claim.token, spent, counted, ended=ended, failed=failed)
            endings.note([claim.task], status)
            batches.after_ending([claim.task])
    return won


def _requeue(claim: Claim, delay: float, spent: Sequence[Spent], counted: Sequence[Increment], **columns: Any) -> bool:
    with transaction.atomic():
        won = bool(
            _held(claim).update(
                status=Status.QUEUED,
                progress=0.0,
                lease_token=F("lease_token") + 1,
                lease_expires_at=None,
                available_at=_from_now(timedelta(seconds=delay)) if delay else Now(),
                **columns,
            )
        )
        if won:
            spending.settle(claim.task, claim.token, spent, counted)
    return won


def _from_now(delay: timedelta) -> ExpressionWrapper[Any]:
    return ExpressionWrapper(Now() + delay, output_field=DateTimeField())


def _log(event: str, claim: Claim, **extra: Any) -> None:
    logger.info(event, extra={"task": claim.id, "attempt": claim.task.attempts, **extra})
