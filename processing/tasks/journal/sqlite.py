"""The journal in a SQLite file of its own, beside a database that is SQLite too.

What is deleted is overwritten (`secure_delete`), as in the database: the answers' texts are in here.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

from processing.access.loose_file import FileUnavailableError, LooseFile
from processing.tasks.journal.contract import ERASED, Entry, JournalUnavailableError

_TABLE = """
CREATE TABLE IF NOT EXISTS event (
    seq INTEGER, number INTEGER, at REAL NOT NULL, name TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY (seq, number)
) WITHOUT ROWID
"""
_INSERT = "INSERT OR IGNORE INTO event (seq, number, at, name, data) VALUES (?, ?, ?, ?, ?)"
_IS_ERASED = f"SELECT 1 FROM event WHERE seq = ? AND number = {ERASED}"  # noqa: S608  (a number of our own)
_READ = f"""
SELECT seq, number, name, data FROM event WHERE seq = ? AND number > ? AND number < {ERASED} ORDER BY number
"""  # noqa: S608
_DELETE = "DELETE FROM event WHERE seq = ?"
_IDLE = "SELECT seq FROM event GROUP BY seq HAVING max(at) < ? LIMIT ?"


class SqliteJournal:
    """As `Store`, in a `LooseFile`."""

    def __init__(self, path: Callable[[], Path]) -> None:
        self._file = LooseFile(path, _TABLE, "secure_delete = ON")

    def append(self, entries: Sequence[Entry]) -> None:
        now = time.time()
        with self._transaction() as connection:
            if connection.execute(_IS_ERASED, [entries[0].seq]).fetchone() is None:
                connection.executemany(
                    _INSERT, [(each.seq, each.number, now, each.name, each.data) for each in entries]
                )

    def read(self, after: Mapping[int, int]) -> list[Entry]:
        with _translated(), self._file.reading() as connection:
            return [Entry(*row) for asked in after.items() for row in connection.execute(_READ, asked).fetchall()]

    def erase(self, seqs: Collection[int]) -> None:
        now = time.time()
        with self._transaction() as connection:
            connection.executemany(_DELETE, [(seq,) for seq in seqs])
            connection.executemany(_INSERT, [(seq, ERASED, now, "erased", "") for seq in seqs])
        self._empty_the_log()

    def idle(self, seconds: float, most: int) -> list[int]:
        with _translated(), self._file.reading() as connection:
            return [row[0] for row in connection.execute(_IDLE, [time.time() - seconds, most])]

    def delete(self, seqs: Collection[int]) -> None:
        with self._transaction() as connection:
            connection.executemany(_DELETE, [(seq,) for seq in seqs])
        self._empty_the_log()

    def clear(self) -> None:
        """Forget all entries."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM event")

    def _empty_the_log(self) -> None:
        """It holds what was deleted until it is begun anew."""
        with _translated(), self._file.reading() as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with _translated(), self._file.writing() as connection:
            yield connection


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except FileUnavailableError as error:
        raise JournalUnavailableError(str(error)) from error
