"""The attempts at a task that have ended: the verb that ends one adds a line to the task's row by its own update."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Case, CharField, F, Func, TextField, Value, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, Concat, JSONObject, Now
from django.db.models.lookups import Exact
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _

from processing.tasks.models import Status, Task

_NO_END = '"ended": null'  # as `json` writes it
ENDINGS = {
    "completed": _("completed"),
    "failed": _("failed"),
    "cancelled": _("cancelled"),
    "given_back": _("given back to the queue"),
    "interrupted": _("interrupted: its cluster ended"),
    "lost": _("lost: its worker died, or its lease ran out"),
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt: where it ran, when, and how it ended, which is one of `ENDINGS`, or empty while it runs; `code` is
    the error's that ended it."""

    host: str
    pid: int | None
    started: datetime | None
    ended: datetime | None
    ending: str
    code: str


def last(claimed: Task, ending: str, code: str = "") -> str:
    """What `past_attempts` becomes when the attempt that this row was claimed for ends the task: who holds the claim
    knows what was there, and the end is the task's own, `completed_at`. The dearer `ended` is for all others."""
    line = {
        "host": claimed.host,
        "pid": claimed.worker_pid,
        "started": claimed.started_at.isoformat() if claimed.started_at else None,
        "ended": None,
        "ending": ending,
        "code": code,
    }
    return f"{claimed.past_attempts}{json.dumps(line)}\n"


def with_end() -> Combinable:
    """What `past_attempts` becomes when a task that has ended goes on: the last attempt gets the task's end."""
    end = Concat(Value('"ended": "'), Cast(F("completed_at"), TextField()), Value('"'), output_field=TextField())
    return Func(F("past_attempts"), Value(_NO_END), end, function="REPLACE", output_field=TextField())


def ended(ending: str, code: str = "") -> Combinable:
    """What `past_attempts` becomes when the attempt that the row tells of ends so. The attempt's start is on the row
    already, so a claim writes nothing for this, and there is no other statement that could be lost or come late."""
    line = JSONObject(
        host=F("host"),
        pid=F("worker_pid"),
        started=F("started_at"),
        ended=Now(),
        ending=Value(ending, output_field=CharField()),
        code=Value(code, output_field=CharField()),
    )
    return Concat(F("past_attempts"), Cast(line, TextField()), Value("\n"), output_field=TextField())


def ended_if_running(ending: str) -> Combinable:
    """The same for a task that may be waiting, so that no attempt ends."""
    running = When(Exact(F("status"), Status.PROCESSING.value), then=ended(ending))
    return Case(running, default=F("past_attempts"), output_field=TextField())


def of(task: Task) -> list[Attempt]:
    """All attempts at a task, the first one first, and the one that runs."""
    past = [_read(json.loads(line), task.completed_at) for line in task.past_attempts.split("\n") if line]
    if task.status != Status.PROCESSING:
        return past
    return [*past, Attempt(task.host, task.worker_pid, task.started_at, None, "", "")]


def _read(line: dict[str, Any], end: datetime | None) -> Attempt:
    return Attempt(
        host=str(line["host"]),
        pid=line["pid"],
        started=_moment(line["started"]),
        ended=_moment(line["ended"]) or end,
        ending=str(line["ending"]),
        code=str(line["code"]),
    )


def _moment(text: str | None) -> datetime | None:
    """Each database writes times its own way; without a zone they are UTC."""
    moment = parse_datetime(text) if text else None
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)
