"""A batch: many tasks that are taken together, looked at together, and ended together."""

from __future__ import annotations

import heapq
import logging
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from itertools import islice
from typing import Any

from django.db import transaction
from django.db.models import Count, QuerySet, Sum
from django.db.models.functions import Now

from processing import metrics
from processing.access import audit
from processing.access.audit import Actor, Target
from processing.counters import ledger
from processing.documents import store
from processing.errors import InvalidInput, NotFound
from processing.queue import admission
from processing.queue.submit import moments_ago, take_turns
from processing.runtime.configuration import current
from processing.runtime.parameters import Parameters
from processing.tasks import batches, lifecycle
from processing.tasks.lifecycle import Submission
from processing.tasks.models import FINAL, Batch, Status, Task

logger = logging.getLogger(__name__)

PRIORITY = -1  # A batch waits behind all single tasks: nobody watches it, and a thousand items would hold everybody up.
_STATES = tuple(str(state) for state in (Status.QUEUED, Status.PROCESSING, *FINAL))
_BY_WEIGHT = (Status.COMPLETED, Status.FAILED, Status.CANCELLED)
_WRITTEN_AT_ONCE = 100
_READ_AT_ONCE = 10  # answers, each of which may be megabytes


@dataclass(frozen=True, slots=True)
class Item:
    """One task to be: `line` counts the items of the batch from 1."""

    line: int
    submission: Submission


@dataclass(frozen=True, slots=True)
class Refused:
    """An item that makes no task, and why; `file` is what the caller called the document."""

    line: int
    file: str
    error: str
    error_type: str
    error_code: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What a caller wants done: one who sends the same within moments again is known by the `fingerprint`."""

    owner_id: int
    api_key_id: int | None
    request_id: str
    items: Sequence[Item]
    refused: Sequence[Refused]
    fingerprint: uuid.UUID | None = None
    webhook_url: str = ""


@dataclass(slots=True)
class Standing:
    """How a batch stands: its items by state, the refused among the failed; `progress` in percent; `cost` in US
    dollars, None where no price is known."""

    batch: Batch
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_STATES, 0))
    progress: float = 0.0
    cost: Decimal | None = None
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def status(self) -> str:
        """The state of the whole: `completed` once all has ended and anything was answered."""
        ended = sum(self.counts[state] for state in FINAL)
        if ended < sum(self.counts.values()):
            begun = ended - len(self.batch.refused) + self.counts[Status.PROCESSING]
            return Status.PROCESSING if begun else Status.QUEUED
        if self.batch.cancelled_at is not None:
            return Status.CANCELLED
        return next((state for state in _BY_WEIGHT if self.counts[state]), Status.FAILED)


def create(asked: Asked, parameters: Parameters, bind: Callable[[int], None] = lambda _seq: None) -> Batch:
    """Write the batch and all its tasks, or nothing: raises what `admission.require_switched_on` and `require_room` do.
    An item whose document has been erased meanwhile is refused like the others that are.

    A batch that came within `submit.REPEATED_WITHIN` with the same fingerprint is returned in its place, marked by
    `is_repeat`, unless it has failed or was cancelled. `bind` is told the `seq` inside the transaction that writes it.
    """
    admission.require_switched_on(current().parameters)  # it may have been while the documents arrived
    with transaction.atomic():
        earlier = _repeated(asked)
        if earlier is not None:
            return earlier
        caller = admission.Caller(asked.owner_id, asked.api_key_id)
        if asked.items:
            admission.require_room(caller, parameters, tasks=len(asked.items))
        wanted = {item.submission.document.pk for item in asked.items}
        there = store.use_all(wanted, parameters.files_kept_for)
        items = [item for item in asked.items if item.submission.document.pk in there]
        refused = [*asked.refused, *(_gone(item) for item in asked.items if item.submission.document.pk not in there)]
        batch = Batch.objects.create(
            owner_id=asked.owner_id,
            api_key_id=asked.api_key_id,
            request_id=asked.request_id,
            fingerprint=asked.fingerprint,
            webhook_url=asked.webhook_url,
            total=len(items) + len(refused),
            refused=[asdict(each) for each in sorted(refused, key=lambda each: each.line)],
        )
        tasks = (_task(batch, item) for item in items)
        while some := list(islice(tasks, _WRITTEN_AT_ONCE)):
            Task.objects.bulk_create(some)
        ledger.add(*metrics.SUBMITTED.by(len(items)))
        bind(batch.seq)
    if not items:
        batches.close(batch.seq)
    batch.refresh_from_db()
    logger.info("batch taken", extra={"batch": batch.seq, "tasks": len(items), "refused": len(refused)})
    return batch


def find(owner_id: int, batch_id: uuid.UUID) -> Batch:
    """The owner's batch. Raises `NotFound`, for a stranger's too."""
    batch = Batch.objects.filter(owner_id=owner_id, id=batch_id).first()
    if batch is None:
        raise NotFound("There is no such batch.", "batch_not_found")
    return batch


def cancel(owner_id: int, batch_id: uuid.UUID, by: Actor) -> tuple[Batch, int]:
    """End all tasks of the batch that have not ended. Returns the batch, and how many they were.

    Raises `NotFound`, and `InvalidInput` (`batch_finished`) where all have ended.
    """
    batch = find(owner_id, batch_id)
    if not Task.objects.filter(batch=batch).exclude(status__in=FINAL).exists():
        raise InvalidInput("The batch has already ended.", "batch_finished")
    with transaction.atomic():
        Batch.objects.filter(pk=batch.pk, cancelled_at=None).update(cancelled_at=Now())
        audit.record(by, "cancelled", target(batch))
    cancelled = lifecycle.cancel_batch(batch.pk)
    batch.refresh_from_db()
    return batch, cancelled


def target(batch: Batch) -> Target:
    """A batch as the audit names it."""
    return Target("batch", str(batch.id), f"of user {batch.owner_id}")


def standings(found: Sequence[Batch]) -> list[Standing]:
    """How each of these batches stands, by one query for all of them."""
    by_seq = {batch.seq: Standing(batch) for batch in found}
    rows: QuerySet[Task, Any] = Task.objects.filter(batch__in=list(by_seq)).order_by().values("batch", "status")
    sums = {"cost": Sum("cost"), "read": Sum("input_tokens"), "written": Sum("output_tokens")}
    for row in rows.annotate(number=Count("seq"), done=Sum("progress"), **sums):
        standing = by_seq[row["batch"]]
        standing.counts[row["status"]] += row["number"]
        standing.progress += 100.0 * row["number"] if row["status"] in FINAL else row["done"]
        standing.input_tokens += row["read"] or 0
        standing.output_tokens += row["written"] or 0
        if row["cost"] is not None:
            standing.cost = (standing.cost or Decimal(0)) + row["cost"]
    for standing in by_seq.values():
        refused = len(standing.batch.refused)
        standing.counts[Status.FAILED] += refused
        known = sum(standing.counts.values())  # old tasks may have been deleted
        standing.progress = round((standing.progress + 100.0 * refused) / known, 1) if known else 100.0
    return list(by_seq.values())


def results(batch: Batch) -> Iterator[dict[str, Any]]:
    """What became of each item, in the order of the items; a few answers are in memory at a time."""
    tasks = sorted(Task.objects.filter(batch=batch).order_by().values_list("batch_line", "seq"))
    return heapq.merge(_results_of_tasks(tasks), map(_result_of_refused, batch.refused), key=lambda each: each["line"])


def _results_of_tasks(places: Sequence[tuple[int | None, int]]) -> Iterator[dict[str, Any]]:
    columns = ("id", "batch_line", "filename", "status", "result", "error", "error_type", "error_code")
    for start in range(0, len(places), _READ_AT_ONCE):
        some = [seq for _line, seq in places[start : start + _READ_AT_ONCE]]
        for task in Task.objects.filter(seq__in=some).only("seq", *columns).order_by("batch_line", "seq"):
            yield {
                "line": task.batch_line or 0,
                "file": task.filename,
                "task_id": str(task.id),
                "status": task.status,
                "result": task.result,
                "error": task.error or None,
                "error_type": task.error_type or None,
                "error_code": task.error_code or None,
            }


def _result_of_refused(refused: dict[str, Any]) -> dict[str, Any]:
    return {
        "line": refused["line"],
        "file": refused["file"],
        "task_id": None,
        "status": str(Status.FAILED),
        "result": None,
        "error": refused["error"],
        "error_type": refused["error_type"],
        "error_code": refused["error_code"],
    }


def _task(batch: Batch, item: Item) -> Task:
    task = lifecycle.unwritten(item.submission)
    task.batch, task.batch_line, task.priority = batch, item.line, PRIORITY
    return task


def _gone(item: Item) -> Refused:
    error = NotFound("There is no such file any more.", "file_not_found")
    return Refused(item.line, item.submission.document.filename, error.detail, error.error_type, error.code)


def _repeated(asked: Asked) -> Batch | None:
    if asked.fingerprint is None:
        return None
    take_turns(asked.fingerprint)
    same = Batch.objects.filter(fingerprint=asked.fingerprint, owner_id=asked.owner_id, cancelled_at=None)
    recent = same.filter(created_at__gt=moments_ago()).order_by("-seq").first()
    if recent is None or standings([recent])[0].status in (Status.FAILED, Status.CANCELLED):
        return None
    recent.is_repeat = True
    return recent
