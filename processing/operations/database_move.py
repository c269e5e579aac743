"""The way of all rows from SQLite to PostgreSQL: copied in batches in one transaction, then read again and compared.

Rows go by their models, so that each value is what the service would have written there itself. What counts and tells
beside the database (rate limits, events of running tasks) may be lost and stays behind.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import dj_database_url
from django.apps import apps
from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import Error, connections, models, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

Progress = Callable[[str], None]
Model = type[models.Model]

_SOURCE = "default"
_TARGET = "target"
_BATCH = 200  # rows in memory at once; a row may hold an answer of some MB
_EXACT = 1 << 53  # whole numbers up to here are the same as floating ones
_MODULUS = 1 << 256


class MoveRefusedError(Exception):
    """Nothing was moved, and the target is as it was; the message is a sentence for a person."""


@dataclass(frozen=True, slots=True)
class Table:
    """How many rows a table has, and a checksum over them that their order does not change."""

    rows: int
    checksum: int


def move(url: str, tell: Progress) -> dict[str, Table]:
    """Copy all rows of the service's SQLite database to the empty PostgreSQL database that `url` names; returns what
    was copied, by table. The caller sees to it that nobody writes.

    Raises `MoveRefusedError`; then the target has tables, perhaps, and no rows of this service.
    """
    _connect(url)
    try:
        _require_source()
        _require_empty()
        tell("making the tables")
        _make_tables(url)
        with transaction.atomic(using=_SOURCE), transaction.atomic(using=_TARGET):
            _prepare()
            moved = {model._meta.db_table: _copy(model, tell) for model in _models()}
            _set_sequences()
            for model in _models():
                _verify(model, moved[model._meta.db_table], tell)
        return moved
    except Error as error:
        raise MoveRefusedError(f"The database says: {str(error).strip().splitlines()[0]}") from error
    finally:
        connections[_TARGET].close()
        del connections[_TARGET], connections.databases[_TARGET]


def _connect(url: str) -> None:
    try:
        found: dict[str, Any] = dict(dj_database_url.parse(url))
    except (ValueError, dj_database_url.UnknownSchemeError, dj_database_url.ParseError):
        found = {}
    if found.get("ENGINE") != "django.db.backends.postgresql":
        raise MoveRefusedError("The target is the address of a PostgreSQL: postgres://user:password@host/name")
    if importlib.util.find_spec("psycopg") is None:
        raise MoveRefusedError("The driver is missing: pip install --require-hashes -r requirements/postgres.txt")
    # Bounds that are meant for requests do not hold here.
    found["OPTIONS"] = {"options": "-c statement_timeout=0 -c lock_timeout=10s", **found.get("OPTIONS", {})}
    connections.databases[_TARGET] = connections.configure_settings({"default": found})["default"]


def _models() -> list[Model]:
    """Of each table of the service one model; the migrations' own table is written by migrating."""
    found = apps.get_models(include_auto_created=True)
    return [model for model in found if model._meta.managed and not model._meta.proxy]


def _require_source() -> None:
    source = connections[_SOURCE]
    if source.vendor != "sqlite":
        raise MoveRefusedError("This service does not use SQLite: there is nothing to be moved.")
    executor = MigrationExecutor(source)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise MoveRefusedError("The database is of an earlier version. Run `manage.py migrate` first.")
    known = {model._meta.db_table for model in _models()} | {MigrationRecorder.Migration._meta.db_table}
    unknown = set(source.introspection.table_names()) - known
    if unknown:
        raise MoveRefusedError(f"There are tables that this version does not know: {', '.join(sorted(unknown))}.")


def _require_empty() -> None:
    """A target whose tables are empty is what a move that was refused has left."""
    target = connections[_TARGET]
    tables = set(target.introspection.table_names())
    known = {model._meta.db_table for model in _models()}
    made_by_migrating = {"django_content_type", "auth_permission"}
    for table in sorted(known & tables - made_by_migrating):
        with target.cursor() as cursor:
            cursor.execute(f"SELECT EXISTS (SELECT 1 FROM {target.ops.quote_name(table)})")  # noqa: S608  (own names)
            if cursor.fetchone()[0]:
                raise MoveRefusedError(f"The target is not empty: its table {table} has rows.")


def _make_tables(url: str) -> None:
    """In a process whose own database is the target: a migration may change rows, and not all of them ask which of two
    databases is meant."""
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "migrate", "--verbosity", "0", "--no-input"]
    done = subprocess.run(
        command, env={**os.environ, "DATABASE_URL": url}, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise MoveRefusedError(f"The tables could not be made: {(done.stderr.strip() or 'no reason').splitlines()[-1]}")


def _prepare() -> None:
    """Nobody else writes to the target; references are looked at in the end; what migrating has written goes."""
    target = connections[_TARGET]
    with target.cursor() as cursor:
        names = ", ".join(target.ops.quote_name(model._meta.db_table) for model in _models())
        cursor.execute(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        for table in ("auth_permission", "django_content_type"):
            cursor.execute(f"DELETE FROM {target.ops.quote_name(table)}")  # noqa: S608  (own names)


def _copy(model: Model, tell: Progress) -> Table:
    """Copy by COPY, which is many times as fast as INSERT."""
    target, table = connections[_TARGET], model._meta.db_table
    fields = model._meta.concrete_fields
    columns = ", ".join(target.ops.quote_name(field.column or "") for field in fields)
    count, checksum = 0, 0
    with target.cursor() as cursor:
        statement = f"COPY {target.ops.quote_name(table)} ({columns}) FROM STDIN"
        with cursor.copy(statement) as rows:
            for values in _rows(model, _SOURCE):
                _require_storable(table, values)
                rows.write_row([_adapted(field, value) for field, value in zip(fields, values, strict=True)])
                count += 1
                checksum = (checksum + _fingerprint(values)) % _MODULUS
                tell(f"{table}: {count} rows")
    return Table(count, checksum)


def _verify(model: Model, expected: Table, tell: Progress) -> None:
    count, checksum = 0, 0
    for values in _rows(model, _TARGET):
        count += 1
        checksum = (checksum + _fingerprint(values)) % _MODULUS
        tell(f"{model._meta.db_table}: {count} rows verified")
    if Table(count, checksum) != expected:
        raise MoveRefusedError(f"The table {model._meta.db_table} did not arrive as it was. Nothing was moved.")


def _rows(model: Model, alias: str) -> Iterator[tuple[Any, ...]]:
    names = [field.attname for field in model._meta.concrete_fields]
    rows = model._base_manager.using(alias).order_by().values_list(*names)
    return iter(rows.iterator(chunk_size=_BATCH))


def _adapted(field: Any, value: Any) -> Any:
    return field.get_db_prep_save(value, connections[_TARGET])


def _require_storable(table: str, values: tuple[Any, ...]) -> None:
    """SQLite takes a null character in a text, and PostgreSQL does not."""
    for value in values:
        text = value if isinstance(value, str) else json.dumps(value) if isinstance(value, (dict, list)) else ""
        if "\0" in text or (not isinstance(value, str) and "\\u0000" in text):
            raise MoveRefusedError(
                f"The row {values[0]} of {table} holds a null character, which PostgreSQL cannot store. "
                "Erase it, or what it belongs to."
            )


def _fingerprint(values: tuple[Any, ...]) -> int:
    told = json.dumps([_canonical(value) for value in values], sort_keys=True, cls=DjangoJSONEncoder)
    return int.from_bytes(hashlib.sha256(told.encode("utf-8", "surrogatepass")).digest())


def _canonical(value: Any) -> Any:
    """The same for what is the same in both databases: PostgreSQL keeps 1e2 as 100, and a JSON object without order."""
    if isinstance(value, Mapping):
        return {key: _canonical(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_canonical(each) for each in value]
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _EXACT:
        return str(float(value)) if abs(value) < 1 << 1000 else str(value)
    if isinstance(value, float) and abs(value) > _EXACT:
        return str(value)
    if isinstance(value, memoryview):
        return value.hex()
    return value.hex() if isinstance(value, bytes) else value


def _set_sequences() -> None:
    """Numbers go on where they stood: one that was given is not given again, also where its row is gone."""
    source, target = connections[_SOURCE], connections[_TARGET]
    with source.cursor() as cursor:
        cursor.execute("SELECT name, seq FROM sqlite_sequence")
        given = dict(cursor.fetchall())
    with target.cursor() as cursor:
        for model in _models():
            table, column = model._meta.db_table, model._meta.auto_field and model._meta.auto_field.column
            if column and given.get(table):
                cursor.execute(
                    "SELECT setval(pg_get_serial_sequence(%s, %s), %s)", [f'"{table}"', column, given[table]]
                )
