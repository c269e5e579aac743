"""The journal that this service has, and how long its entries stay."""

from __future__ import annotations

import time
from collections.abc import Collection
from functools import cache
from pathlib import Path

from django.conf import settings
from django.db import connection

from processing.errors import ServiceUnavailable
from processing.tasks.journal.contract import JournalUnavailableError, Store
from processing.tasks.journal.postgresql import PostgresJournal
from processing.tasks.journal.sqlite import SqliteJournal
from processing.tasks.models import Status, Task

FILE = "events.sqlite3"  # in the data directory
KEPT = 600.0  # seconds after the last entry, unless the task still runs
_SWEEP_EVERY = 60.0  # seconds
_SWEPT_AT_ONCE = 5000  # tasks
_ASKED_AT_ONCE = 500

_next_sweep = 0.0


def store() -> Store:
    """Where this service's journal is."""
    return _POSTGRESQL if connection.vendor == "postgresql" else _SQLITE


def erase(seqs: Collection[int]) -> None:
    """Leave nothing of these tasks, and take nothing more of them. Raises `ServiceUnavailable`."""
    try:
        if seqs:
            store().erase(seqs)
    except JournalUnavailableError as error:
        raise ServiceUnavailable("What is left of a task could not be erased.", "database_unavailable") from error


def sweep() -> int:
    """Delete what nobody can want to watch any more, about once a minute. Returns of how many tasks."""
    global _next_sweep
    if time.monotonic() < _next_sweep:
        return 0
    _next_sweep = time.monotonic() + _SWEEP_EVERY
    try:
        idle = store().idle(KEPT, _SWEPT_AT_ONCE)
        over = [seq for at in range(0, len(idle), _ASKED_AT_ONCE) for seq in _over(idle[at : at + _ASKED_AT_ONCE])]
        if over:
            store().delete(over)
    except JournalUnavailableError:  # The next round will do it.
        return 0
    return len(over)


def sweep_soon() -> None:
    """Let the next `sweep` be one."""
    global _next_sweep
    _next_sweep = 0.0


def _over(seqs: list[int]) -> set[int]:
    """A model may think for long: whoever watches its task meanwhile wants all that it has said."""
    running = Task.objects.filter(seq__in=seqs, status=Status.PROCESSING)
    return set(seqs) - set(running.values_list("seq", flat=True))


_POSTGRESQL = PostgresJournal()


@cache
def _path() -> Path:
    return Path(settings.DATA_DIR) / FILE


_SQLITE = SqliteJournal(_path)


def forget() -> None:
    """Begin with an empty journal, where it is a file."""
    global _next_sweep
    _next_sweep = 0.0
    if _path().exists():
        _SQLITE.clear()
