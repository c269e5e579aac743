"""Writing a task into the queue, and telling its caller where it stands."""

from __future__ import annotations

import math
from dataclasses import dataclass

from django.db import transaction

from processing.documents import store
from processing.errors import LimitReached, NotFound, ServiceUnavailable
from processing.queue import admission, line, pace, retention
from processing.runtime.configuration import current
from processing.runtime.parameters import Parameters
from processing.tasks import lifecycle
from processing.tasks.lifecycle import Submission
from processing.tasks.models import Status, Task


@dataclass(frozen=True, slots=True)
class Place:
    """Where a task stands: `position` counts from 1 among the waiting and is None for one that runs or has ended;
    `estimated_time` is in seconds until it is done, None while nothing was measured."""

    position: int | None
    estimated_time: float | None


def submit(submission: Submission, parameters: Parameters) -> tuple[Task, Place]:
    """Write the task, or refuse it: raises what `admission.require_switched_on` and `require_room` do. The workers'
    broker sees the row itself: there is nothing to send, and nothing to lose. Raises `NotFound` where the document has
    been erased meanwhile."""
    document = submission.document
    try:
        admission.require_switched_on(current().parameters)  # it may have been while the document arrived
        with transaction.atomic():
            admission.require_room(admission.Caller(submission.owner_id, submission.api_key_id), parameters)
            if not store.use(document, parameters.files_kept_for):
                raise NotFound("There is no such file any more.", "file_not_found")
            task = lifecycle.submit(submission)
    except (LimitReached, ServiceUnavailable):
        if document.is_new:  # It came with this submission, which has not taken place.
            retention.erase_if_idle(document.pk)
        raise
    return task, place_of(task.seq, task.priority)


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
