"""The first page of the admin: how much there is to do, how the last day went, what it cost, and who is there to do it.

Its upper part is fetched again every few seconds (`live`); without scripts it is as old as the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import localize
from django.utils.translation import gettext as _

from processing.admin import rendering
from processing.documents import space
from processing.operations import figures
from processing.operations.figures import CAP, Hour, Spend, Spread
from processing.runtime.capacity import memory_usage
from processing.runtime.configuration import current
from processing.runtime.parameters import BYTES_PER_MB
from processing.tasks.models import Status, Task

SHOWN_RUNNING = 10
FORGET_AFTER_SECONDS = 5
_COLUMN, _HEIGHT = 24, 100  # of the chart, in its own units

forget = figures.forget


@dataclass(frozen=True, slots=True)
class Card:
    """One figure and the list that it was counted from; `is_bad` where it asks for somebody's attention."""

    title: str
    count: int
    note: str
    url: str
    is_bad: bool = False

    @property
    def shown(self) -> str:
        """The count, or that it is at least so high."""
        return f"{CAP:,}+" if self.count >= CAP else f"{self.count:,}"


@dataclass(frozen=True, slots=True)
class Column:
    """One hour of the chart, in its own units, and in words."""

    x: int
    completed_y: float
    completed_height: float
    failed_y: float
    failed_height: float
    hour: str
    completed: int
    failed: int


def add_figures(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The index page's context with what this user may see of the service."""
    return {**context, **_live(request), **_day(request), **_means(request), **_spend(request)}


def live(request: HttpRequest) -> HttpResponse:
    """The upper part alone, for the script that fetches it."""
    response = render(request, "processing/admin/live.html", _live(request))
    response["Cache-Control"] = "no-store"
    return response


def _live(request: HttpRequest) -> dict[str, Any]:
    shown: dict[str, Any] = {"cards": [], "as_of": timezone.now(), "every": FORGET_AFTER_SECONDS}
    if request.user.has_perm("processing.view_task"):
        shown["cards"] += _tasks()
        shown["running"] = _running()
    if request.user.has_perm("processing.view_workerhost"):
        hosts = figures.hosts()
        shown["cards"].append(_hosts_alive(sum(host.is_alive and host.workers > 0 for host in hosts)))
        shown["hosts"] = hosts
    return shown


def _tasks() -> list[Card]:
    counts = figures.queue()
    day = _("last 24 hours")
    return [
        Card(_("Queued"), counts.queued, _("waiting for a worker"), _list_of(Status.QUEUED)),
        Card(_("Processing"), counts.processing, _("being worked on now"), _list_of(Status.PROCESSING)),
        Card(_("Completed"), counts.completed, day, _list_of(Status.COMPLETED)),
        Card(_("Failed"), counts.failed, day, _list_of(Status.FAILED), is_bad=counts.failed > 0),
    ]


def _running() -> list[dict[str, Any]]:
    """The tasks that run, the longest first."""
    running = Task.objects.filter(status=Status.PROCESSING).order_by("lease_expires_at", "seq")
    rows = list(running.only("seq", "filename", "step", "progress", "host", "started_at")[:SHOWN_RUNNING])
    now = timezone.now()
    return [
        {
            "url": reverse("admin:processing_task_change", args=[task.pk]),
            "file": rendering.line(task.filename, 60),
            "step": rendering.line(task.step, 60),
            "progress": f"{task.progress:.0f} %",
            "host": rendering.line(task.host),
            "since": rendering.duration(max(now - task.started_at, now - now)) if task.started_at else "-",
        }
        for task in rows
    ]


def _hosts_alive(count: int) -> Card:
    note = _("with workers") if count else _("tasks wait until one starts")
    return Card(_("Hosts alive"), count, note, reverse("admin:processing_workerhost_changelist"), is_bad=not count)


def _day(request: HttpRequest) -> dict[str, Any]:
    """Throughput, latency and errors."""
    if not request.user.has_perm("processing.view_task"):
        return {}
    hours = figures.hours()
    completed, failed = sum(hour.completed for hour in hours), sum(hour.failed for hour in hours)
    latency, errors = figures.latency(), figures.errors()
    ended = completed + failed
    return {
        "columns": _columns(hours),
        "chart_width": _COLUMN * len(hours),
        "chart_height": _HEIGHT,
        "busiest": max(hour.completed + hour.failed for hour in hours),
        "latency": [
            {"name": _("Waiting in line"), **_seconds(latency.waiting)},
            {"name": _("Working"), **_seconds(latency.working)},
        ],
        "latency_of": latency.tasks,
        "error_rate": f"{100 * failed / ended:.1f} %" if ended else "-",
        "error_codes": [
            {
                "code": rendering.line(code),
                "count": count,
                "percent": f"{100 * count / errors.tasks:.1f}",
                "url": _list_of(Status.FAILED, error_code=code),
            }
            for code, count in errors.codes
        ],
        "errors_of": errors.tasks,
    }


def _columns(hours: Sequence[Hour]) -> list[Column]:
    """Each hour as high as its share of the busiest one: what failed stands on what was completed."""
    most = max(1, *(hour.completed + hour.failed for hour in hours))
    columns = []
    for place, hour in enumerate(hours):
        good, bad = _HEIGHT * hour.completed / most, _HEIGHT * hour.failed / most
        columns.append(
            Column(
                x=place * _COLUMN,
                completed_y=round(_HEIGHT - good, 2),
                completed_height=round(good, 2),
                failed_y=round(_HEIGHT - good - bad, 2),
                failed_height=round(bad, 2),
                hour=f"{timezone.localtime(hour.since):%H:%M}",
                completed=hour.completed,
                failed=hour.failed,
            )
        )
    return columns


def _seconds(spread: Spread | None) -> dict[str, str]:
    if spread is None:
        return {"half": "-", "most": "-"}
    return {"half": _("%.2f s") % spread.half, "most": _("%.2f s") % spread.most}


def _means(request: HttpRequest) -> dict[str, Any]:
    """Memory and disk of the host that answers."""
    if not request.user.has_perm("processing.view_workerhost"):
        return {}
    memory, parameters = memory_usage(), current().parameters
    threshold, bound = parameters.memory_management.emergency_stop_threshold, parameters.min_free_disk_mb
    free_mb = space.free() // BYTES_PER_MB
    return {
        "means": [
            {
                "name": _("Memory in use"),
                "words": _("%(percent).0f %% of %(total)s GB")
                % {"percent": memory.used_percent, "total": _gb(memory.total_mb)},
                "note": _("nothing new begins from %d %%") % threshold,
                "percent": f"{memory.used_percent:.0f}",
                "is_bad": memory.used_percent >= threshold,
            },
            {
                "name": _("Disk free"),
                "words": _("%s GB") % _gb(free_mb),
                "note": _("no document is taken below %s GB") % _gb(bound) if bound else _("without a bound"),
                "is_bad": free_mb < bound,
            },
        ]
    }


def _spend(request: HttpRequest) -> dict[str, Any]:
    if not request.user.has_perm("processing.view_usageofday"):
        return {}
    return {
        "spend": [
            {"title": _("By model"), "rows": [_spent(each) for each in figures.spend_by_model()]},
            {"title": _("By API key"), "rows": [_spent(each) for each in figures.spend_by_key()]},
        ],
        "spend_days": figures.SPEND_DAYS,
    }


def _spent(spend: Spend) -> dict[str, Any]:
    return {
        "name": rendering.line(spend.name, 48),
        "tasks": localize(spend.tasks),
        "failed": localize(spend.failed),
        "tokens": f"{spend.tokens:,}",
        "cost": f"{spend.cost:,.4f}",
    }


def _gb(megabytes: float) -> str:
    return f"{megabytes / 1024:.1f}"


def _list_of(status: Status, **more: str) -> str:
    return reverse("admin:processing_task_changelist", query={"status__exact": status.value, **more})
