"""A SQLite file beside the database for what may be lost in a power cut: no commit waits for the disk.

The database's own commits have to wait for it (`synchronous=FULL`); what is written many times a second must not.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

logger = logging.getLogger(__name__)

# Seconds that another process, or a thread of ours, may hold the file; it takes a tenth of a millisecond.
PATIENCE = 1.0


class FileUnavailableError(Exception):
    """The file cannot be read or written now."""


class LooseFile:
    """One connection for each process, for which its threads wait in line; processes wait for the file's lock.

    `schema` makes the table where it is missing. A file that was deleted or replaced is opened anew, a broken one is
    deleted.
    """

    def __init__(self, path: Callable[[], Path], schema: str, *pragmas: str) -> None:
        self.path = path
        self._schema = schema
        self._pragmas = pragmas
        self._inherited: list[sqlite3.Connection] = []  # of the parent process, which alone may close them
        self._turn = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None  # of the file that the connection is to
        os.register_at_fork(after_in_child=self._forget)  # neither a lock nor a connection may be shared

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that nobody else writes beside. Raises `FileUnavailableError`."""
        with self._in_turn() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection, outside of any transaction. Raises `FileUnavailableError`."""
        with self._in_turn() as connection:
            yield connection

    @contextlib.contextmanager
    def _in_turn(self) -> Iterator[sqlite3.Connection]:
        if not self._turn.acquire(timeout=PATIENCE):
            raise FileUnavailableError("the file is held by another thread")
        try:
            yield self._current()
        except sqlite3.Error as error:
            self._give_up(error)
            raise FileUnavailableError(str(error)) from error
        finally:
            self._turn.release()

    def _current(self) -> sqlite3.Connection:
        """The connection to the file that has the name now; it may have been deleted, or replaced."""
        path = self.path()
        if self._connection is None or self._identity != _identity(path):
            self._close()
            self._connection = self._opened(path)
            self._identity = _identity(path)
        return self._connection

    def _give_up(self, error: sqlite3.Error) -> None:
        """A file that is broken is deleted: whoever comes next makes a new one, here or in another process."""
        self._close()
        if isinstance(error, sqlite3.OperationalError):  # busy, full or out of reach
            return
        path = self.path()
        logger.error("a file beside the database is broken and is made anew", exc_info=error, extra={"file": path.name})
        for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
            path.with_name(name).unlink(missing_ok=True)

    def _close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None

    def _forget(self) -> None:
        if self._connection is not None:
            self._inherited.append(self._connection)
        self._turn = threading.Lock()
        self._connection = None

    def _opened(self, path: Path) -> sqlite3.Connection:
        until = time.monotonic() + PATIENCE
        while True:
            connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                for pragma in ("synchronous = OFF", *self._pragmas):
                    connection.execute(f"PRAGMA {pragma}")
                connection.execute(self._schema)
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
