"""Conversions: documents that are read for their text, each by a task of its own, the first of which speaks for all."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from processing.documents.models import StoredDocument
from processing.errors import NotFound
from processing.pipeline import conversion
from processing.pipeline.conversion import Conversion
from processing.pipeline.options import RequestOptions
from processing.queue import retention
from processing.queue.admission import Caller
from processing.queue.submit import submit
from processing.runtime.configuration import InForce
from processing.tasks.lifecycle import Submission
from processing.tasks.models import FINAL, Status, Task

_BEFORE_OTHERS = 1  # the priority of a task whose caller holds a connection open for it


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is wanted of the documents: `pages` as `page_ranges` reads them, `timeout` in seconds for each; `is_waited`
    where the caller waits for it and goes away after a while, so that it comes before what nobody waits for."""

    how: Conversion
    pages: str | None
    timeout: float
    is_waited: bool
    request_id: str


@dataclass(frozen=True, slots=True)
class Converting:
    """The tasks of one conversion, in the order of their documents."""

    tasks: tuple[Task, ...]

    @property
    def id(self) -> uuid.UUID:
        """What clients know it by."""
        return self.tasks[0].id

    @property
    def how(self) -> Conversion:
        """What was wanted."""
        return RequestOptions.restored(self.tasks[0].options).conversion or Conversion()

    @property
    def has_ended(self) -> bool:
        """Whether nothing of it is still to be done."""
        return all(task.status in FINAL for task in self.tasks)

    @property
    def successes(self) -> tuple[Task, ...]:
        """Those that were read."""
        return tuple(task for task in self.tasks if task.status == Status.COMPLETED)

    @property
    def failures(self) -> tuple[Task, ...]:
        """Those that ended otherwise."""
        return tuple(task for task in self.tasks if task.status in FINAL and task.status != Status.COMPLETED)


def begin(caller: Caller, documents: Sequence[StoredDocument], wanted: Wanted, in_force: InForce) -> Converting:
    """Write the tasks, all or none. Raises what `submit` raises, and then documents that are new are erased."""
    try:
        with transaction.atomic():
            others = [_submitted(caller, each, wanted, in_force, ()) for each in documents[1:]]
            first = _submitted(caller, documents[0], wanted, in_force, [str(task.id) for task in others])
    except Exception:
        give_up(documents)
        raise
    return Converting((first, *others))


def give_up(documents: Sequence[StoredDocument]) -> None:
    """Erase those that are new: they came with a request that comes to nothing."""
    for document in documents:
        if document.is_new:
            retention.erase_if_idle(document.pk)


def of(owner_id: int, task_id: uuid.UUID) -> Converting:
    """A conversion of this owner as it stands. Raises `NotFound`, for a stranger's and for any other task, too."""
    own = Task.objects.filter(owner_id=owner_id).defer("result")  # which is long, and rarely what is asked for
    first = own.filter(id=task_id).first()
    options = None if first is None else RequestOptions.restored(first.options)
    if first is None or options is None or options.conversion is None:
        raise NotFound("There is no such task.", "task_not_found")
    found = {str(task.id): task for task in own.filter(id__in=options.conversion.others)}
    return Converting((first, *(found[each] for each in options.conversion.others if each in found)))


def _submitted(
    caller: Caller, document: StoredDocument, wanted: Wanted, in_force: InForce, others: Sequence[str]
) -> Task:
    how = wanted.how.model_copy(update={"others": tuple(others)})
    options = RequestOptions.model_validate({"conversion": how, "pages": wanted.pages, "timeout": wanted.timeout})
    submission = Submission(
        owner_id=caller.owner_id,
        api_key_id=caller.api_key_id,
        document=document,
        prompt=conversion.PROMPT,
        model=conversion.MODEL,
        options=options.kept(),
        configuration_revision=in_force.revision,
        request_id=wanted.request_id,
        priority=_BEFORE_OTHERS if wanted.is_waited else 0,
    )
    return submit(submission, in_force.parameters)[0]
