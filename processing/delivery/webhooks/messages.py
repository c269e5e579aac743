"""From what happened to a message for each receiver that is to be told of it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.db.models import Q

from processing.delivery.webhooks import schedule, targets
from processing.delivery.webhooks.models import WebhookDelivery, WebhookEndpoint
from processing.tasks import endings
from processing.tasks.models import Status, Task, TaskEnding

TASK_COMPLETED, TASK_FAILED, TASK_CANCELLED = "task.completed", "task.failed", "task.cancelled"
BATCH_COMPLETED = "batch.completed"
PING = "webhook.test"
EVENTS = (TASK_COMPLETED, TASK_FAILED, TASK_CANCELLED, BATCH_COMPLETED)
MAX_BYTES = 20_000  # of a body, as Standard Webhooks recommends
_LONGEST_ERROR = 2000  # characters
_AT_ONCE = 100  # ends of tasks in one transaction
_OF_STATUS = {
    Status.COMPLETED: TASK_COMPLETED,
    Status.FAILED: TASK_FAILED,
    Status.CANCELLED: TASK_CANCELLED,
}


@dataclass(frozen=True, slots=True)
class Event:
    """What happened, whose it is, and with which of their keys it was asked for. `data` is plain JSON, and `extra` what
    is added to it only where the body stays under 20 kB; `url` is told beside the registered endpoints. What it is
    about is a `task`, or the `subject` by which `forget` finds it."""

    type: str
    at: datetime
    owner_id: int
    api_key_id: int | None
    data: Mapping[str, Any]
    extra: Mapping[str, Any] | None = None
    url: str = ""
    task_seq: int | None = None
    subject: uuid.UUID | None = None


def announce(event: Event) -> int:
    """Write a message for each receiver; inside the transaction of what happened. Returns how many."""
    receivers = _receivers(event)
    if not receivers:
        return 0
    body, now = _body(event), schedule.now()
    rows = [_row(event, url, endpoint, body, now) for url, endpoint in receivers]
    return len(WebhookDelivery.objects.bulk_create(rows))


def forget(subject: uuid.UUID) -> None:
    """Take away all messages about it, sent or not. Those about a task go with the task's row."""
    WebhookDelivery.objects.filter(subject=subject).delete()


def forget_owner(owner_id: int) -> int:
    """Take away all messages of a user, whatever they are about. Returns how many."""
    return WebhookDelivery.objects.filter(owner=owner_id).delete()[0]


def announce_ended_tasks() -> int:
    """Take up the ends of tasks that nobody has told of. Returns how many, at most a hundred."""
    untold = endings.untold(_AT_ONCE)
    if not untold:
        return 0
    known = set(Task.objects.filter(seq__in=[each.task for each in untold]).values_list("seq", flat=True))
    endings.forget(each for each in untold if each.task not in known)
    with transaction.atomic():
        return len([each for each, task in _locked(untold) if endings.take(each) and announce_end(each, task)])


def announce_end(ending: TaskEnding, task: Task) -> bool:
    """Write what is told of one end; inside a transaction."""
    status = Status(ending.status)
    is_answered = status == Status.COMPLETED
    event = Event(
        type=_OF_STATUS[status],
        at=ending.at,
        owner_id=task.owner_id,
        api_key_id=task.api_key_id,
        data={
            "task_id": str(task.id),
            "status": status.value,
            "status_path": f"/api/v2/status/{task.id}",
            "model": task.model,
            "model_used": task.model_used or None,
            "pages": task.pages,
            "attempts": task.attempts,
            "error": task.error[:_LONGEST_ERROR] or None,
            "error_type": task.error_type or None,
            "error_code": task.error_code or None,
            "created_at": task.created_at.timestamp(),
            "completed_at": ending.at.timestamp(),
            "result": None,
            "result_included": False,
        },
        url=task.webhook_url,
        task_seq=task.seq,
    )
    if is_answered and _receivers(event):  # An answer may be long, and most have nobody who is told.
        event = _with_result(event, task)
    announce(event)
    return True


def message(endpoint: WebhookEndpoint, event_type: str, data: Mapping[str, Any]) -> WebhookDelivery:
    """One message to one endpoint, whatever it has asked to be told of."""
    now = schedule.now()
    event = Event(event_type, now, endpoint.owner_id, endpoint.api_key_id, data)
    row = _row(event, endpoint.url, endpoint, _body(event), now)
    row.save(force_insert=True)
    return row


def _with_result(event: Event, task: Task) -> Event:
    result = Task.objects.values_list("result", flat=True).get(seq=task.seq)
    return Event(**{**_fields(event), "extra": {"result": result, "result_included": True}})


def _fields(event: Event) -> dict[str, Any]:
    return {name: getattr(event, name) for name in Event.__slots__}


def _locked(untold: Iterable[TaskEnding]) -> list[tuple[TaskEnding, Task]]:
    """The ends with their tasks, which nobody deletes meanwhile; those that another has locked wait for the next
    round."""
    found = Task.objects.select_for_update(skip_locked=True).filter(seq__in=[each.task for each in untold])
    tasks = found.defer("result", "prompt", "options", "past_attempts").order_by("seq").in_bulk()
    return [(each, tasks[each.task]) for each in untold if each.task in tasks]


def _receivers(event: Event) -> list[tuple[str, WebhookEndpoint | None]]:
    """Every URL once: an endpoint that is registered for the event's own URL signs with its own secret."""
    whose = Q(api_key=None) if event.api_key_id is None else Q(api_key=None) | Q(api_key=event.api_key_id)
    active = WebhookEndpoint.objects.filter(whose, owner=event.owner_id, disabled_at=None).order_by("created_at", "id")
    told: dict[str, WebhookEndpoint | None] = {}
    for endpoint in active:
        if not endpoint.events or event.type in endpoint.events or endpoint.url == event.url:
            told.setdefault(endpoint.url, endpoint)
    if event.url:
        told.setdefault(event.url, None)
    return list(told.items())


def _row(event: Event, url: str, endpoint: WebhookEndpoint | None, body: str, now: datetime) -> WebhookDelivery:
    return WebhookDelivery(
        owner_id=event.owner_id,
        api_key_id=event.api_key_id,
        endpoint=endpoint,
        task_id=event.task_seq,
        subject=event.subject,
        type=event.type,
        url=url,
        target=targets.target(url)[:300],
        body=body,
        next_at=now,
    )


def _body(event: Event) -> str:
    """Of Standard Webhooks' form, under 20 kB: without `extra` where that would be too much."""
    if event.extra is not None:
        whole = _json(event, {**event.data, **event.extra})
        if len(whole.encode()) <= MAX_BYTES:
            return whole
    return _json(event, event.data)


def _json(event: Event, data: Mapping[str, Any]) -> str:
    at = event.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    told = {"type": event.type, "timestamp": at, "data": data}
    text = json.dumps(told, ensure_ascii=False, separators=(",", ":"), default=str)
    return text.encode("utf-8", "replace").decode()  # half a character may stand in a model's answer
