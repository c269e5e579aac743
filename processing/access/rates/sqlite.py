"""Counters in a SQLite file of their own, beside a database that is SQLite too.

They are worth nothing after a power cut, so no commit waits for the disk (`synchronous=OFF`), which the database's own
commits have to. The clock is the host's: SQLite has none, and no second host.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from processing.access.rates.contract import Counted, StoreUnavailableError, Verdict, Window, end_of

logger = logging.getLogger(__name__)

_PATIENCE = (
    1.0  # seconds that another process, or a thread of ours, may hold the file; it takes a tenth of a millisecond
)
_SWEEP_EVERY = 60.0  # seconds
_SWEPT_AT_ONCE = 20_000  # rows

# What has ended stands first in the table: it is found without an index of its own.
_TABLE = """
CREATE TABLE IF NOT EXISTS counter (
    ends_at INTEGER, subject TEXT, seconds INTEGER, used INTEGER NOT NULL, PRIMARY KEY (ends_at, subject, seconds)
) WITHOUT ROWID
"""
_READ = "SELECT used FROM counter WHERE ends_at = ? AND subject = ? AND seconds = ?"
_ADD = """
INSERT INTO counter (ends_at, subject, seconds, used) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET used = used + excluded.used
"""
_GIVE_BACK = "UPDATE counter SET used = max(0, used - ?) WHERE ends_at = ? AND subject = ? AND seconds = ?"
_SWEEP = """
DELETE FROM counter WHERE (ends_at, subject, seconds) IN
    (SELECT ends_at, subject, seconds FROM counter WHERE ends_at < ? ORDER BY ends_at LIMIT ?)
"""


class SqliteStore:
    """One connection for each process, for which its threads wait in line; processes wait for the file's lock."""

    def __init__(self, path: Callable[[], Path]) -> None:
        self._path = path
        self._inherited: list[sqlite3.Connection] = []  # of the parent process, which alone may close them
        self._turn = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None  # of the file that the connection is to
        self._next_sweep = 0.0
        os.register_at_fork(after_in_child=self._forget)  # neither a lock nor a connection may be shared

    def take(self, windows: Sequence[Window], at: float | None = None) -> Verdict:
        """As `Store.take`. Whoever holds the write lock is alone, so what is read still holds when it is written."""
        with self._transaction() as connection:
            now = time.time() if at is None else at
            ends = [end_of(window.seconds, now) for window in windows]
            used = [_used(connection, window, end) for window, end in zip(windows, ends, strict=True)]
            admitted = all(n + window.cost <= window.quota for window, n in zip(windows, used, strict=True))
            if admitted:
                connection.executemany(_ADD, [(*_row(w, end), w.cost) for w, end in zip(windows, ends, strict=True)])
                used = [n + window.cost for window, n in zip(windows, used, strict=True)]
                self._maybe_sweep(connection, now)
        return Verdict(tuple(map(Counted, windows, used, ends)), admitted, now, self)

    def give_back(self, verdict: Verdict) -> None:
        """As `Store.give_back`."""
        with self._transaction() as connection:
            connection.executemany(
                _GIVE_BACK, [(each.window.cost, *_row(each.window, each.ends_at)) for each in verdict.counted]
            )

    def clear(self) -> None:
        """Forget all counts."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM counter")

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        if not self._turn.acquire(timeout=_PATIENCE):
            raise StoreUnavailableError("the file of the counters is held by another thread")
        try:
            connection = self._current()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._give_up(error)
            raise StoreUnavailableError(str(error)) from error
        finally:
            self._turn.release()

    def _current(self) -> sqlite3.Connection:
        """The connection to the file that has the name now; it may have been deleted, or replaced."""
        path = self._path()
        if self._connection is None or self._identity != _identity(path):
            self._close()
            self._connection = _opened(path)
            self._identity = _identity(path)
        return self._connection

    def _give_up(self, error: sqlite3.Error) -> None:
        """A file that is broken is deleted: whoever counts next makes a new one, here or in another process."""
        self._close()
        if isinstance(error, sqlite3.OperationalError):  # busy, full or out of reach
            return
        logger.error("the file of the rate counters is broken and is made anew", exc_info=error)
        path = self._path()
        for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
            path.with_name(name).unlink(missing_ok=True)

    def _close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None

    def _maybe_sweep(self, connection: sqlite3.Connection, now: float) -> None:
        if time.monotonic() < self._next_sweep:
            return
        self._next_sweep = time.monotonic() + _SWEEP_EVERY
        connection.execute(_SWEEP, (int(now) - 60, _SWEPT_AT_ONCE))

    def _forget(self) -> None:
        if self._connection is not None:
            self._inherited.append(self._connection)
        self._turn = threading.Lock()
        self._connection = None


def _opened(path: Path) -> sqlite3.Connection:
    until = time.monotonic() + _PATIENCE
    while True:
        connection = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute(_TABLE)
        except sqlite3.Error as error:
            connection.close()
            # To turn the log on is the one thing that SQLite does not wait in line for.
            if (error.sqlite_errorcode & 0xFF) != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.005)
        else:
            return connection


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _used(connection: sqlite3.Connection, window: Window, end: int) -> int:
    row = connection.execute(_READ, _row(window, end)).fetchone()
    return int(row[0]) if row else 0


def _row(window: Window, end: int) -> tuple[int, str, int]:
    return end, window.subject, window.seconds
