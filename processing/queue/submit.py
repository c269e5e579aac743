"""Writing a task into the queue, and telling its caller where it stands."""

from __future__ import annotations

import logging
import math
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import DateTimeField, ExpressionWrapper
from django.db.models.functions import Now

from processing.access import audit
from processing.access.audit import Actor
from processing.documents import store
from processing.errors import InvalidInput, LimitReached, NotFound, ServiceUnavailable
from processing.queue import admission, line, pace, retention
from processing.runtime.configuration import current
from processing.runtime.parameters import Parameters
from processing.tasks import lifecycle
from processing.tasks.lifecycle import Submission
from processing.tasks.models import RETRYABLE, Status, Task

logger = logging.getLogger(__name__)

REPEATED_WITHIN = timedelta(seconds=30)  # a client that hears nothing sends the same again by itself
_CLOSED_FOR = 60  # seconds that a caller is told to wait while the service is switched off
_LOCK_OF_REPEATS = 0x41504934  # PostgreSQL: of the advisory lock that those who send the same take in turn


@dataclass(frozen=True, slots=True)
class Place:
    """Where a task stands: `position` counts from 1 among the waiting and is None for one that runs or has ended;
    `estimated_time` is in seconds until it is done, None while nothing was measured."""

    position: int | None
    estimated_time: float | None


def submit(
    submission: Submission, parameters: Parameters, bind: Callable[[int], None] = lambda _seq: None
) -> tuple[Task, Place]:
    """Write the task, or refuse it: raises what `admission.require_switched_on` and `require_room` do. The workers'
    broker sees the row itself: there is nothing to send, and nothing to lose. Raises `NotFound` where the document has
    been erased meanwhile.

    A submission that repeats one which came within `REPEATED_WITHIN` and has not failed gets the task of that one,
    marked by `is_repeat`. `bind` is told the `seq` of the task inside the transaction that writes it.
    """
    document = submission.document
    try:
        admission.require_switched_on(current().parameters)  # it may have been while the document arrived
        with transaction.atomic():
            earlier = _repeated(submission)
            if earlier is not None:
                return earlier, place_of(earlier.seq, earlier.priority)
            admission.require_room(admission.Caller(submission.owner_id, submission.api_key_id), parameters)
            if not store.use(document, parameters.files_kept_for):
                raise NotFound("There is no such file any more.", "file_not_found")
            task = lifecycle.submit(submission)
            bind(task.seq)
    except (LimitReached, ServiceUnavailable):
        if document.is_new:  # It came with this submission, which has not taken place.
            retention.erase_if_idle(document.pk)
        raise
    logger.info("task taken", extra={"task": task.id})
    return task, place_of(task.seq, task.priority)


def take_turns(fingerprint: uuid.UUID) -> None:
    """Until this transaction ends, let nobody else look whether the same came before. In SQLite the transaction itself
    is the lock."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_LOCK_OF_REPEATS, fingerprint.hex])


def moments_ago() -> ExpressionWrapper[Any]:
    """The time since which the same again is a repetition."""
    return ExpressionWrapper(Now() - REPEATED_WITHIN, output_field=DateTimeField())


def _repeated(submission: Submission) -> Task | None:
    if submission.fingerprint is None:
        return None
    take_turns(submission.fingerprint)
    same = Task.objects.filter(fingerprint=submission.fingerprint, owner_id=submission.owner_id)
    recent = same.filter(created_at__gt=moments_ago()).exclude(status__in=RETRYABLE).order_by("-seq").first()
    if recent is not None:
        recent.is_repeat = True
    return recent


def retry(owner_id: int, task_id: uuid.UUID, actor: Actor, parameters: Parameters) -> tuple[Task, Place]:
    """Put a failed or cancelled task of this owner back in line, within the bounds that a new one has.

    Raises `NotFound` for a stranger's, `InvalidInput` for one that has been answered (`task_completed`), has not ended
    (`task_not_ended`) or whose document is gone (`task_document_gone`), and what refuses a new task.
    """
    if not parameters.enabled:
        raise ServiceUnavailable("API v2 is switched off.", "disabled", retry_after=_CLOSED_FOR)
    task = Task.objects.select_related("document").filter(owner_id=owner_id, id=task_id).first()
    if task is None:
        raise NotFound("There is no such task.", "task_not_found")
    _require_retryable(task)
    admission.require_means(parameters)
    if task.document is None or not store.is_whole(task.document):
        raise _document_gone()
    with transaction.atomic():
        admission.require_room(admission.Caller(owner_id, task.api_key_id), parameters)
        if not store.use(task.document, parameters.files_kept_for):
            raise _document_gone()
        if not lifecycle.retry(owner_id, task_id):  # Another was faster.
            task.refresh_from_db(fields=["status"])
            _require_retryable(task)
            raise _document_gone()
        audit.record(actor, "retried", lifecycle.target(task_id, owner_id))
    task.refresh_from_db()
    return task, place_of(task.seq, task.priority)


def _require_retryable(task: Task) -> None:
    if task.status == Status.COMPLETED:
        raise InvalidInput("The task has been answered: there is nothing to try again.", "task_completed")
    if task.status not in RETRYABLE:
        raise InvalidInput(f"The task has not ended: it is {task.status}.", "task_not_ended")


def _document_gone() -> InvalidInput:
    return InvalidInput("The document of this task is gone. Submit it anew.", "task_document_gone")


def place_of(seq: int, priority: int) -> Place:
    """The place of a waiting task, and how long it will take at the pace of the tasks before it."""
    slots = pace.slots()
    position = _position(seq, priority, slots)
    each = pace.seconds_each()
    rounds = 0 if position is None else math.ceil(position / max(1, slots))
    return Place(position, None if each is None else round(each * (1 + rounds), 1))


def position_of(seq: int, priority: int) -> int | None:
    """The position of a waiting task alone, for those who ask often."""
    return _position(seq, priority, pace.slots())


def _position(seq: int, priority: int, slots: int) -> int | None:
    """With a free slot and nobody before it, a task starts now and has no position."""
    ahead = line.ahead_of(seq, priority)
    if ahead >= slots:
        return ahead + 1
    running = Task.objects.filter(status=Status.PROCESSING).count()
    return None if ahead + running < slots else ahead + 1
