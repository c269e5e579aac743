"""The first page of the admin: how much there is to do, how the last day went, and who is there to do it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import DateTimeField, ExpressionWrapper, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from processing.admin.queue import alive
from processing.queue.models import WorkerHost
from processing.tasks.models import Status, Task

DAY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Card:
    """One figure and the list that it was counted from; `is_bad` where it asks for somebody's attention."""

    title: str
    count: int
    note: str
    url: str
    is_bad: bool = False


def add_cards(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The index page's context with `cards`, as far as this user may see what they count."""
    cards: list[Card] = []
    if request.user.has_perm("processing.view_task"):
        cards += _tasks()
    if request.user.has_perm("processing.view_workerhost"):
        cards.append(_hosts())
    return {**context, "cards": cards}


def _tasks() -> list[Card]:
    # Each of the four is counted in an index that holds no other tasks.
    queued = Task.objects.filter(status=Status.QUEUED).count()
    running = Task.objects.filter(status=Status.PROCESSING).count()
    completed = _ended_lately(Status.COMPLETED).count()
    failed = _ended_lately(Status.FAILED).count()
    day = _("last 24 hours")
    return [
        Card(_("Queued"), queued, _("waiting for a worker"), _list_of(Status.QUEUED)),
        Card(_("Processing"), running, _("being worked on now"), _list_of(Status.PROCESSING)),
        Card(_("Completed"), completed, day, _list_of(Status.COMPLETED)),
        Card(_("Failed"), failed, day, _list_of(Status.FAILED), is_bad=failed > 0),
    ]


def _hosts() -> Card:
    count = WorkerHost.objects.filter(alive(), workers__gt=0).count()
    note = _("with workers") if count else _("tasks wait until one starts")
    return Card(_("Hosts alive"), count, note, reverse("admin:processing_workerhost_changelist"), is_bad=not count)


def _ended_lately(status: Status) -> QuerySet[Task]:
    since = ExpressionWrapper(Now() - DAY, output_field=DateTimeField())
    return Task.objects.filter(status=status, completed_at__gt=since)


def _list_of(status: Status) -> str:
    return reverse("admin:processing_task_changelist", query={"status__exact": status.value})
