"""What a watcher sees of a task: `status`, `progress`, `delta`, and at its end `done`, each under a number that rises.

What a worker tells comes from the journal. That a task is in line, that it is worked on, and its end come from its row,
which is the truth: they reach a watcher whatever became of the worker or the journal.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from processing.pipeline import telling
from processing.tasks.journal import contract
from processing.tasks.journal.contract import Entry
from processing.tasks.models import FINAL, Status

DONE = "done"
RETRY = b"retry: 1000\n\n"  # milliseconds after which a browser comes back
BEAT = b": still here\n\n"


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its number, and its frame in the stream, which all its watchers share."""

    number: int
    frame: bytes
    is_last: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a task stands, by its row."""

    seq: int
    task_id: str
    status: str
    token: int
    attempts: int

    @property
    def has_ended(self) -> bool:
        return self.status in FINAL

    @property
    def first(self) -> int:
        """The number that the events of this attempt, or of this time in line, begin with."""
        return contract.number(self.token, 0)

    @property
    def last(self) -> int:
        """The number of the end, if the task ends so."""
        return contract.number(self.token, contract.MOST)


def told(entry: Entry) -> Event:
    """What a worker has told."""
    return Event(entry.number, frame(entry.name, entry.data, entry.number))


def moved(standing: Standing) -> Event:
    """That a task is in line, or worked on."""
    if standing.status == Status.PROCESSING:
        data = telling.begun(standing.task_id, standing.attempts)
    else:
        data = {"task_id": standing.task_id, "status": standing.status, "attempts": standing.attempts}
    return Event(standing.first, frame("status", json.dumps(data), standing.first))


def ended(standing: Standing, body: str) -> Event:
    """The end; `body` is the task as its status is read."""
    return Event(standing.last, frame(DONE, body, standing.last), is_last=True)


def frame(name: str, data: str, number: int | None = None) -> bytes:
    """One event as it is sent (html.spec.whatwg.org, 9.2); `data` is JSON on one line."""
    identifier = "" if number is None else f"id: {number}\n"
    return f"{identifier}event: {name}\ndata: {data}\n\n".encode()
