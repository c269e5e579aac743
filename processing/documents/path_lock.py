"""Makes those who delete a document's bytes and those who count on them take turns, one path at a time.

No transaction of SQLite is held meanwhile, whose one writer others wait for: a storage may take its time.
"""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction

_LOCK_OF_PATHS = 0x41504933  # of PostgreSQL's advisory locks, the first of two numbers


@contextmanager
def held(path: str) -> Iterator[None]:
    """Nobody else holds the path, on any host of this database, until the block ends."""
    stripe = hashlib.sha256(path.encode()).digest()[:4]
    if connection.vendor == "postgresql":
        with transaction.atomic():
            with connection.cursor() as cursor:
                number = int.from_bytes(stripe, signed=True)
                cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK_OF_PATHS, number])
            yield
        return
    directory = Path(settings.DATA_DIR) / "locks"  # Whoever shares the file of SQLite shares this.
    directory.mkdir(mode=0o700, exist_ok=True)
    with (directory / f"{stripe[0]:02x}").open("a") as file:  # The kernel lets go with the descriptor.
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
