"""How a process that waits for work learns that something has changed: each database has its own way of saying so.

All three may wake for nothing, and all may miss a change that was not one of the database: a task that becomes due by
the passing of time. Who waits looks again now and then, in any case.
"""

from __future__ import annotations

import select
import time
from typing import Any, Protocol

from django.db import connection

from processing.queue.written import Written

CHANNEL = "api_v2_tasks"  # what the database's trigger notifies (migration 0002)
_GLANCE = 0.02  # seconds between two looks at SQLite's change counter where nobody tells of writes
_SELDOM = 0.25  # and where the kernel does
_SOON = 0.0005  # seconds from the first sign of a write to the first look for its commit
_POLL = 0.1  # seconds between two looks at a database that says nothing


class WakeUp(Protocol):
    """What to call before a look at the rows, and what to wait with when there was nothing to do."""

    def arm(self) -> None:
        """From now on, a change ends the next wait. Raises `django.db.Error`."""

    def wait(self, seconds: float) -> None:
        """Sleep until something has changed since `arm`, at most so long. Raises `django.db.Error`."""


class SqliteChanges:
    """`PRAGMA data_version` differs once another connection has committed (sqlite.org/pragma.html).

    To look at it often costs an idle host more than all else. So we sleep until the kernel tells of a write to the log
    that every commit goes through, and only then look: a commit counts from a moment after its write (with
    `synchronous=FULL` the disk has to confirm it), and if it never comes, the looks become rarer and rarer.
    """

    def __init__(self) -> None:
        self._seen = -1
        self._log = Written()
        self._is_told = False  # of writes, by the kernel
        self._written = 0.0  # when the kernel last told of it

    def arm(self) -> None:
        self._is_told = self._log.watch(f"{connection.settings_dict['NAME']}-wal")
        self._seen = self._counter()

    def wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while self._counter() == self._seen and (now := time.monotonic()) < until:
            if self._log.wait(min(until - now, self._pause(now - self._written))):
                self._written = time.monotonic()

    def _pause(self, age: float) -> float:
        """Until the next look, so long after a write: looks at twice the age, so that few are made in vain."""
        return max(_SOON, min(age, _SELDOM if self._is_told else _GLANCE))

    def _counter(self) -> int:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA data_version")
            return int(cursor.fetchone()[0])


class PostgresNotifications:
    """LISTEN on the connection that Django has, which may be another one after an error."""

    def __init__(self) -> None:
        self._listening: Any = None

    def arm(self) -> None:
        """What was notified until now needs no look of its own: the caller is about to look."""
        connection.ensure_connection()
        if self._listening is not connection.connection:
            with connection.cursor() as cursor:
                cursor.execute(f"LISTEN {CHANNEL}")
            self._listening = connection.connection
        self._receive()

    def wait(self, seconds: float) -> None:
        """After a connection was lost there is nothing to wait for: what it would have told is unknown."""
        if self._listening is None or self._listening is not connection.connection:
            return
        if not self._receive():  # Some may have come along with the answers to the caller's questions.
            # psycopg itself would wake ten times a second.
            select.select([self._listening], [], [], seconds)
            self._receive()

    def _receive(self) -> bool:
        """Whether anything was notified."""
        with connection.wrap_database_errors:
            return bool(list(self._listening.notifies(timeout=0)))


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
