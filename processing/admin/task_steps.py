"""How a task went, drawn: what each step took, and where each attempt ran and how it ended."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.formats import localize
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from processing.admin import rendering
from processing.tasks import attempts
from processing.tasks.attempts import Attempt
from processing.tasks.models import FINAL, Task

NAMES = {
    "read": _("reading the document"),
    "generate": _("asking the model"),
    "check": _("checking the evidence"),
}
BADGES = {"completed": "success", "failed": "danger", "cancelled": "", "lost": "danger", "": "warning"}
_MOST_STEPS = 20


def worked_for(task: Task) -> timedelta | None:
    """How long it was worked on in its last attempt, or is until now."""
    return None if task.started_at is None else _span(task.started_at, _until(task))


def steps(task: Task) -> SafeString | str:
    """A bar for each step, as long as it took; the wait of a task that was tried more than once is not known."""
    took: list[tuple[str, timedelta]] = []
    if not any(attempt.ended for attempt in attempts.of(task)[:-1]):
        waited = _span(task.created_at, task.started_at or _until(task))
        if waited is not None:
            took.append((_("waiting in line"), waited))
    laps = _laps(task)
    took += [(str(NAMES.get(name, name)), length) for name, length in laps]
    worked = worked_for(task)
    if not laps and worked is not None:
        took.append((_("working"), worked))
    if not took:
        return "-"
    longest = max(length for _name, length in took) or timedelta(microseconds=1)
    bars = [
        {
            "name": rendering.visible(name),
            "percent": f"{100 * length / longest:.1f}",
            "words": _words(length),
        }
        for name, length in took
    ]
    return render_to_string("processing/admin/steps.html", {"bars": bars})


def attempts_table(task: Task) -> SafeString | str:
    """A row for each attempt, the running one included."""
    found = attempts.of(task)
    if not found:
        return _("None yet.")
    rows = [_row(number, attempt) for number, attempt in enumerate(found, start=1)]
    return render_to_string("processing/admin/attempts.html", {"rows": rows})


def _row(number: int, attempt: Attempt) -> dict[str, Any]:
    length = None if attempt.started is None else _span(attempt.started, attempt.ended or timezone.now())
    words = str(attempts.ENDINGS.get(attempt.ending, attempt.ending)) if attempt.ending else _("running")
    return {
        "number": number,
        "host": rendering.line(attempt.host),
        "pid": attempt.pid,
        "started": None if attempt.started is None else localize(timezone.localtime(attempt.started)),
        "took": None if length is None else _words(length),
        "badge": rendering.badge(rendering.visible(words), BADGES.get(attempt.ending, "info")),
        "code": rendering.line(attempt.code) if attempt.code else "",
    }


def _words(length: timedelta) -> str:
    milliseconds = length / timedelta(milliseconds=1)
    return _("%d ms") % milliseconds if milliseconds < 1000 else rendering.duration(length)


def _laps(task: Task) -> list[tuple[str, timedelta]]:
    """The seconds that the worker noted for each step, as far as they are seconds."""
    result = task.result if isinstance(task.result, dict) else {}
    metadata = result.get("processing_metadata")
    timings = metadata.get("timings") if isinstance(metadata, dict) else None
    if not isinstance(timings, dict):
        return []
    known = [(str(name), value) for name, value in timings.items() if type(value) in (int, float) and 0 <= value < 1e7]
    return [(name, timedelta(seconds=value)) for name, value in known[:_MOST_STEPS]]


def _until(task: Task) -> datetime | None:
    return task.completed_at if task.status in FINAL else timezone.now()


def _span(since: datetime, until: datetime | None) -> timedelta | None:
    return None if until is None else max(until - since, timedelta())
