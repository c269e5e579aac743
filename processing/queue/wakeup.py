"""How a process that waits for work learns that something has changed: each database has its own way of saying so.

All three may wake for nothing, and all may miss a change that was not one of the database: a task that becomes due by
the passing of time. Who waits looks again now and then, in any case.
"""

from __future__ import annotations

import time
from typing import Protocol

from django.db import connection

CHANNEL = "api_v2_tasks"  # what the database's trigger notifies (migration 0002)
_GLANCE = 0.02  # seconds between two looks at SQLite's change counter: 0.8 % of a core
_POLL = 0.1  # seconds between two looks at a database that says nothing


class WakeUp(Protocol):
    """What to call before a look at the rows, and what to wait with when there was nothing to do."""

    def arm(self) -> None:
        """From now on, a change ends the next wait. Raises `django.db.Error`."""

    def wait(self, seconds: float) -> None:
        """Sleep until something has changed since `arm`, at most so long. Raises `django.db.Error`."""


class SqliteChanges:
    """`PRAGMA data_version` differs once another connection has committed (sqlite.org/pragma.html)."""

    def __init__(self) -> None:
        self._seen = -1

    def arm(self) -> None:
        self._seen = self._counter()

    def wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and self._counter() == self._seen:
            time.sleep(_GLANCE)

    def _counter(self) -> int:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA data_version")
            return int(cursor.fetchone()[0])


class PostgresNotifications:
    """LISTEN on the connection that Django has, which may be another one after an error."""

    def __init__(self) -> None:
        self._listening: object = None

    def arm(self) -> None:
        """What was notified until now needs no look of its own: the caller is about to look."""
        connection.ensure_connection()
        if self._listening is not connection.connection:
            with connection.cursor() as cursor:
                cursor.execute(f"LISTEN {CHANNEL}")
            self._listening = connection.connection
        self._receive(0, stop_after=None)

    def wait(self, seconds: float) -> None:
        """After a connection was lost there is nothing to wait for: what it would have told is unknown."""
        if self._listening is not None and self._listening is connection.connection:
            self._receive(seconds, stop_after=1)

    def _receive(self, seconds: float, *, stop_after: int | None) -> None:
        with connection.wrap_database_errors:
            for _ in self._listening.notifies(timeout=seconds, stop_after=stop_after):  # type: ignore[attr-defined]
                pass


class Polling:
    """For a database that does not say when it changes."""

    def arm(self) -> None:
        return

    def wait(self, seconds: float) -> None:
        time.sleep(min(seconds, _POLL))


_WAYS: dict[str, type[WakeUp]] = {"sqlite": SqliteChanges, "postgresql": PostgresNotifications}


def of_this_database() -> WakeUp:
    """The way of the database in use."""
    return _WAYS.get(connection.vendor, Polling)()
