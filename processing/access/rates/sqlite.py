"""Counters in a SQLite file of their own, beside a database that is SQLite too.

They are worth nothing after a power cut, so no commit waits for the disk (`synchronous=OFF`), which the database's own
commits have to. The clock is the host's: SQLite has none, and no second host.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from processing.access.loose_file import FileUnavailableError, LooseFile
from processing.access.rates.contract import Counted, StoreUnavailableError, Verdict, Window, end_of

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
    """As `Store`, in a `LooseFile`."""

    def __init__(self, path: Callable[[], Path]) -> None:
        self._file = LooseFile(path, _TABLE)
        self._next_sweep = 0.0

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
        try:
            with self._file.writing() as connection:
                yield connection
        except FileUnavailableError as error:
            raise StoreUnavailableError(str(error)) from error

    def _maybe_sweep(self, connection: sqlite3.Connection, now: float) -> None:
        if time.monotonic() < self._next_sweep:
            return
        self._next_sweep = time.monotonic() + _SWEEP_EVERY
        connection.execute(_SWEEP, (int(now) - 60, _SWEPT_AT_ONCE))


def _used(connection: sqlite3.Connection, window: Window, end: int) -> int:
    row = connection.execute(_READ, _row(window, end)).fetchone()
    return int(row[0]) if row else 0


def _row(window: Window, end: int) -> tuple[int, str, int]:
    return end, window.subject, window.seconds
