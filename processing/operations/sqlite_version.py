"""Whether the SQLite that this Python brings has a fault that matters here."""

from __future__ import annotations

import logging
import sqlite3

from django.db import connection

logger = logging.getLogger(__name__)

# Two connections that begin the write-ahead log anew at the same moment may lose what a third has written, and damage
# the database: rare, and mended in these releases and what follows them (https://www.sqlite.org/wal.html).
_MENDED = (3, 51, 3)
_BACKPORTS = ((3, 44, 6), (3, 50, 7))


def has_fault(version: tuple[int, ...]) -> bool:
    """Whether this release may damage a database in write-ahead mode."""
    return version < _MENDED and not any(version[:2] == mended[:2] and version >= mended for mended in _BACKPORTS)


def warn() -> None:
    """Say so in the log, where SQLite is what is used."""
    if connection.vendor == "sqlite" and has_fault(sqlite3.sqlite_version_info):
        logger.warning(
            "SQLite has a rare fault: a newer one, backups or PostgreSQL help",
            extra={"version": sqlite3.sqlite_version, "mended": "3.51.3"},
        )
