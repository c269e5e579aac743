"""Copying a SQLite database while it is written to, and looking whether a copy is sound."""

from __future__ import annotations

import contextlib
import gzip
import shutil
import sqlite3
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

from processing.operations.backup import manifest
from processing.operations.backup.errors import RestoreRefusedError
from processing.operations.backup.snapshot import LISTING, MIGRATIONS, Snapshot, write_listing

Progress = Callable[[str], None]
_PAGES = 4096  # copied at once
_PIECE = 1 << 20  # bytes
_LEVEL = 3  # of compression: beyond, it takes much longer and gains little


def copy(database: Path, directory: Path, tell: Progress) -> Snapshot:
    """Copy the database by SQLite's online backup: writers go on, and the copy holds what had been committed when it
    began. Raises `sqlite3.Error` and `OSError`."""
    plain = directory / "database.sqlite3"
    plain.touch(mode=0o600)
    with contextlib.closing(_connected(database)) as source, contextlib.closing(_connected(plain)) as target:
        # A transaction that reads holds the moment: without it each commit of others would begin the copy anew.
        source.execute("BEGIN")
        source.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
        source.backup(
            target,
            pages=_PAGES,
            progress=lambda _, left, of: tell(f"database {100 * (of - left) // max(of, 1)} %"),
        )
        source.execute("ROLLBACK")
        target.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
        rows = count_rows(target)
        migrations = [f"{app}.{name}" for app, name in target.execute(MIGRATIONS)]
        documents = directory / "listing"
        write_listing(documents, target.execute(LISTING))
    size = plain.stat().st_size
    packed = directory / manifest.SQLITE
    with plain.open("rb") as file, gzip.open(packed, "wb", compresslevel=_LEVEL) as zipped:
        shutil.copyfileobj(file, zipped, _PIECE)
    plain.unlink()
    return Snapshot(manifest.SQLITE, packed, size, rows, migrations, documents)


def unpack(packed: IO[bytes], target: Path, size: int) -> None:
    """Write the unpacked database, which has exactly `size` bytes, to `target`, for its owner alone.

    Raises `RestoreRefusedError`, having written no more than that."""
    target.unlink(missing_ok=True)
    target.touch(mode=0o600)
    left = size
    try:
        with gzip.open(packed, "rb") as file, target.open("r+b") as out:
            while piece := file.read(min(_PIECE, left + 1)):
                left -= len(piece)
                if left < 0:
                    break
                out.write(piece)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise RestoreRefusedError("The archive is damaged: its database cannot be unpacked.") from error
    if left != 0:
        raise RestoreRefusedError("The archive was changed: its database does not have the size that it says.")


def require_sound(database: Path, rows: dict[str, int]) -> None:
    """Raises `RestoreRefusedError` unless the file is a whole database with so many rows in each table."""
    try:
        with contextlib.closing(_connected(database)) as connection:
            verdict = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            broken = connection.execute("PRAGMA foreign_key_check").fetchone()
            found = count_rows(connection)
    except sqlite3.DatabaseError as error:
        raise RestoreRefusedError(f"The database of the archive is damaged: {error}.") from error
    if verdict != "ok" or broken is not None:
        raise RestoreRefusedError("The database of the archive is damaged: it fails SQLite's own check.")
    if found != rows:
        raise RestoreRefusedError("The database of the archive does not have the rows that its manifest counts.")


def run(database: Path, statements: list[str]) -> None:
    """Run these on the copy, in one transaction."""
    with contextlib.closing(_connected(database)) as connection:
        connection.execute("BEGIN")
        for statement in statements:
            connection.execute(statement)
        connection.execute("COMMIT")


def is_empty(database: Path) -> bool:
    """Whether there is no database yet, or one without tables."""
    if not database.exists() or database.stat().st_size == 0:
        return True
    with contextlib.closing(_connected(database)) as connection:
        return not tables(connection)


def count_rows(connection: sqlite3.Connection) -> dict[str, int]:
    """By table."""
    return {
        table: connection.execute(f'SELECT COUNT(*) FROM "{table}"').fetchone()[0]  # noqa: S608  (its own names)
        for table in tables(connection)
    }


def tables(connection: sqlite3.Connection) -> list[str]:
    """Names of tables, without SQLite's own."""
    found = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
    )
    return [name for (name,) in found]


def _connected(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=30, isolation_level=None)
