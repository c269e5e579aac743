"""Dumping a PostgreSQL database as it was at one moment, and loading a dump in one transaction."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from django.apps import apps
from django.db import Error, connection, transaction

from processing.operations.backup import manifest
from processing.operations.backup.errors import BackupFailedError, RestoreRefusedError
from processing.operations.backup.snapshot import LISTING, MIGRATIONS, Snapshot, write_listing

Progress = Callable[[str], None]
_UNLOGGED = ("processing_ratecounter", "processing_taskevent")  # what they hold may be lost
_OWN_FUNCTIONS = "api\\_v2\\_%"
_AT_ONCE = 1000  # rows fetched of a listing


def dump(directory: Path, tell: Progress) -> Snapshot:
    """Dump with `pg_dump`, in the same moment in which the rows are counted and the documents listed.

    Raises `BackupFailedError` and `OSError`."""
    program = _program("pg_dump", BackupFailedError)
    packed, documents = directory / manifest.POSTGRESQL, directory / "listing"
    packed.touch(mode=0o600)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        cursor.execute("SELECT pg_export_snapshot()")
        moment = cursor.fetchone()[0]
        rows = count_rows(cursor)
        cursor.execute(MIGRATIONS)
        migrations = [f"{app}.{name}" for app, name in cursor.fetchall()]
        write_listing(documents, _listed())
        tell("database")
        options = ["-Fc", "--no-owner", "--no-privileges", "--no-unlogged-table-data", f"--snapshot={moment}"]
        done = subprocess.run(
            [program, *options, "-f", str(packed)],
            env=_environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
    if done.returncode != 0:
        raise BackupFailedError(f"pg_dump failed: {_last_line(done.stderr)}")
    return Snapshot(manifest.POSTGRESQL, packed, packed.stat().st_size, rows, migrations, documents)


def load(dump_file: Path, rows: dict[str, int], statements: Sequence[str]) -> None:
    """Replace the service's tables by those of the dump, and run the statements, all in one transaction: whatever
    breaks off leaves what was there. Raises `RestoreRefusedError`."""
    program = _program("pg_restore", RestoreRefusedError)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('search_path')")
            path = cursor.fetchone()[0]
            cursor.execute("SET LOCAL statement_timeout = 0")
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            _drop_all(cursor)
            cursor.execute(_script(program, dump_file, "pre-data"))
            _load_data(cursor, program, dump_file)
            cursor.execute(_script(program, dump_file, "post-data"))
            cursor.execute("SELECT set_config('search_path', %s, false)", [path])
            if {table: count for table, count in count_rows(cursor).items() if table in rows} != rows:
                raise RestoreRefusedError("The archive's database does not have the rows that its manifest counts.")
            for statement in statements:
                cursor.execute(statement)
    except Error as error:
        raise RestoreRefusedError(f"The database does not take the archive: {_last_line(str(error))}") from error
    finally:
        connection.close()  # the dump has changed the session's settings


def is_empty() -> bool:
    """Whether none of the service's tables is there."""
    return not set(connection.introspection.table_names()) & set(_own_tables())


def count_rows(cursor: Any) -> dict[str, int]:
    """By table; not of those that may be lost."""
    found = {}
    for table in sorted(connection.introspection.table_names(cursor)):
        if table not in _UNLOGGED:
            cursor.execute(f"SELECT COUNT(*) FROM {connection.ops.quote_name(table)}")  # noqa: S608  (its own names)
            found[table] = cursor.fetchone()[0]
    return found


def _listed() -> Iterator[tuple[str, int, str]]:
    in_order = LISTING.replace("ORDER BY path", 'ORDER BY path COLLATE "C"')
    with connection.connection.cursor(name="api_v2_listing") as cursor:
        cursor.itersize = _AT_ONCE
        yield from cursor.execute(in_order)


def _own_tables() -> list[str]:
    models = apps.get_models(include_auto_created=True, include_swapped=True)
    return [*(model._meta.db_table for model in models), "django_migrations", *_UNLOGGED]


def _drop_all(cursor: Any) -> None:
    for table in _own_tables():
        cursor.execute(f"DROP TABLE IF EXISTS {connection.ops.quote_name(table)} CASCADE")
    cursor.execute(
        "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = current_schema()::regnamespace"
        " AND proname LIKE %s",
        [_OWN_FUNCTIONS],
    )
    for (function,) in cursor.fetchall():
        cursor.execute(f"DROP FUNCTION {function} CASCADE")


def _script(program: str, dump_file: Path, section: str) -> str:
    done = subprocess.run(
        [*_reading(program, section), str(dump_file)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise RestoreRefusedError(f"pg_restore cannot read the archive: {_last_line(done.stderr)}")
    return "\n".join(line for line in done.stdout.splitlines() if not _is_for_psql(line))


def _load_data(cursor: Any, program: str, dump_file: Path) -> None:
    """Rows pass as they come. Between the tables' rows stand statements such as those that set sequences."""
    with subprocess.Popen(
        [*_reading(program, "data"), str(dump_file)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None  # noqa: S101  (it is a pipe)
        between: list[str] = []
        for raw in process.stdout:
            line = raw.decode()
            if line.startswith("COPY ") and line.endswith("FROM stdin;\n"):
                cursor.execute("\n".join(between) or "SELECT 1")
                between = []
                _copy(cursor, line, process.stdout)
            elif not _is_for_psql(line):
                between.append(line)
        cursor.execute("\n".join(between) or "SELECT 1")
    if process.returncode != 0:
        raise RestoreRefusedError("pg_restore cannot read the archive.")


def _copy(cursor: Any, statement: str, lines: IO[bytes]) -> None:
    with cursor.copy(statement.rstrip().rstrip(";")) as rows:
        for line in lines:
            if line == b"\\.\n":
                return
            rows.write(line)
    raise RestoreRefusedError("The archive is damaged: a table has no end.")


def _is_for_psql(line: str) -> bool:
    """`\\restrict` and its kind, which newer versions write for the program that scripts are usually fed to."""
    return line.startswith(("\\restrict", "\\unrestrict"))


def _reading(program: str, section: str) -> list[str]:
    return [program, "--no-owner", "--no-privileges", f"--section={section}", "-f", "-"]


def _program(name: str, failure: type[BackupFailedError] | type[RestoreRefusedError]) -> str:
    found = shutil.which(name)
    if found is None:
        raise failure(f"{name} is not installed here. It comes with PostgreSQL's client programs.")
    return found


def _environment() -> dict[str, str]:
    """The variables by which libpq's programs reach the database: a password has no place on a command line."""
    from psycopg.pq import Conninfo

    names = {each.keyword.decode(): each.envvar.decode() for each in Conninfo.get_defaults() if each.envvar}
    given = connection.get_connection_params()
    known = {names[key]: str(value) for key, value in given.items() if key in names and value is not None}
    known.pop("PGOPTIONS", None)  # bounds that are meant for requests
    if "dbname" in given:
        known["PGDATABASE"] = given["dbname"]
    return {**os.environ, **known}


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "no reason was given")
