"""The task rows of a running service, read beside it on either database, and what is seen of them over time."""

from __future__ import annotations

import re
import sqlite3
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FINAL = ("completed", "failed", "cancelled")
_COLUMNS = (
    "id, status, attempts, max_attempts, worker_pid, host, started_at, completed_at, prompt, error_code, "
    "result IS NOT NULL, lease_token"
)
_NUMBER = re.compile(r"Task (\d+) ")
_LOOK = 0.2  # seconds between two looks


@dataclass(frozen=True, slots=True)
class Row:
    """A task as it stands; times are Unix seconds by the database's clock."""

    id: uuid.UUID
    status: str
    attempts: int
    max_attempts: int
    worker_pid: int | None
    host: str
    started_at: float | None
    completed_at: float | None
    prompt: str
    error_code: str
    has_result: bool
    lease_token: int

    @property
    def number(self) -> int:
        """The number that its prompt gives it."""
        found = _NUMBER.search(self.prompt)
        assert found, self.prompt
        return int(found[1])

    @property
    def ended(self) -> bool:
        return self.status in FINAL


class Rows:
    """A reader of the table: of a SQLite file, or of a PostgreSQL by its URL. For one thread."""

    def __init__(self, database: Path | str) -> None:
        self._connection: Any
        if isinstance(database, Path):
            uri = f"file:{database}?mode=ro"
            self._connection = sqlite3.connect(uri, uri=True, timeout=30, isolation_level=None)
        else:
            import psycopg

            self._connection = psycopg.connect(database, autocommit=True)

    def all(self) -> list[Row]:
        """Every task, in the order of arrival."""
        found = self._connection.execute(f"SELECT {_COLUMNS} FROM processing_task ORDER BY seq").fetchall()
        return [_row(each) for each in found]

    def running(self) -> list[Row]:
        """The tasks that are being worked on."""
        query = f"SELECT {_COLUMNS} FROM processing_task WHERE status = 'processing'"
        return [_row(each) for each in self._connection.execute(query).fetchall()]

    def documents(self) -> list[tuple[str, str]]:
        """The path and the sha256 of every stored document."""
        return [tuple(each) for each in self._connection.execute("SELECT path, sha256 FROM processing_storeddocument")]

    def close(self) -> None:
        self._connection.close()


def rows_of(data_dir: Path, database_url: str | None) -> Rows:
    """A reader of the service's tasks, on PostgreSQL if there is a URL."""
    return Rows(database_url or data_dir / "apiv2.sqlite3")


@dataclass
class Recovery:
    """From the kill of a task's worker until another one began it anew."""

    kind: str
    killed_at: float
    began_at: float | None = None

    @property
    def seconds(self) -> float | None:
        return None if self.began_at is None else max(0.0, self.began_at - self.killed_at)


@dataclass
class Watcher:
    """Looks at the rows all the time: remembers in which state each task ended first, and when killed work was begun
    anew."""

    data_dir: Path
    database_url: str | None
    ended: dict[uuid.UUID, tuple[str, float | None]] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)
    recoveries: list[Recovery] = field(default_factory=list)
    _awaited: list[tuple[uuid.UUID, int, Recovery]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch while the block runs, and once more at its end."""
        thread = threading.Thread(target=self._run, name="watcher")
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def killed(self, kind: str, at: float, tasks: list[Row]) -> None:
        """Say that the workers of these tasks, as they stood then, were killed at that time (Unix seconds)."""
        with self._lock:
            self._awaited += [(each.id, each.attempts, Recovery(kind, at)) for each in tasks]

    def look(self, rows: list[Row]) -> None:
        """Compare what is with what was."""
        for row in rows:
            state = (row.status, row.completed_at)
            if row.ended and self.ended.setdefault(row.id, state) != state:
                self.changed.append(f"{row.id}: {self.ended[row.id]} became {state}")
            elif row.id in self.ended and not row.ended:
                self.changed.append(f"{row.id}: {self.ended[row.id]} became {row.status}")
        by_id = {row.id: row for row in rows}
        with self._lock:
            self._awaited = [each for each in self._awaited if not self._settled(by_id, *each)]

    def _settled(self, rows: dict[uuid.UUID, Row], task: uuid.UUID, attempts: int, recovery: Recovery) -> bool:
        row = rows[task]
        if row.attempts > attempts:
            recovery.began_at = row.started_at
            self.recoveries.append(recovery)
        return row.attempts > attempts or row.ended  # It may have ended just before the kill, or used up its attempts.

    def _run(self) -> None:
        rows = rows_of(self.data_dir, self.database_url)
        try:
            while not self._stop.wait(_LOOK):
                self.look(rows.all())
            self.look(rows.all())
        finally:
            rows.close()


def _row(found: tuple[Any, ...]) -> Row:
    identifier, status, attempts, most, pid, host, started, completed, prompt, code, has_result, token = found
    known = identifier if isinstance(identifier, uuid.UUID) else uuid.UUID(identifier)
    times = (_seconds(started), _seconds(completed))
    return Row(known, status, attempts, most, pid, host, *times, prompt, code, bool(has_result), token)


def _seconds(moment: datetime | str | None) -> float | None:
    """Unix seconds; SQLite keeps UTC as text without saying so."""
    if moment is None:
        return None
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
