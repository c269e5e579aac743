"""Letting one process at a time make a database ready, on whichever host it starts."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection

_LOCK = 0x41504933  # PostgreSQL: the key of the advisory lock
_ASK_AGAIN = 0.2  # seconds; asked again rather than waited for, which the bounds of a statement would end


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Wait until nobody else is within, and keep others out. The lock ends with the process or its connection."""
    if connection.vendor == "postgresql":
        with _advisory_lock():
            yield
    elif connection.vendor == "sqlite" and not connection.is_in_memory_db():  # type: ignore[attr-defined]
        with Path(f"{connection.settings_dict['NAME']}.lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
    else:
        yield


@contextmanager
def _advisory_lock() -> Iterator[None]:
    while not _asked("SELECT pg_try_advisory_lock(%s)"):
        time.sleep(_ASK_AGAIN)
    try:
        yield
    finally:
        if connection.connection is not None and connection.is_usable():
            _asked("SELECT pg_advisory_unlock(%s)")


def _asked(statement: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(statement, [_LOCK])
        return bool(cursor.fetchone()[0])
