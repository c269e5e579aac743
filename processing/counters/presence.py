"""Whether the counters' tables are there: in an upgrade this code may serve before the migration that brings them."""

from __future__ import annotations

import logging
import time

from django.db import connection

logger = logging.getLogger(__name__)

_AGAIN = 5.0  # seconds between two looks


class Presence:
    """Tables that are missing are looked for again; those that were seen once stay."""

    def __init__(self, *tables: str) -> None:
        self._tables = set(tables)
        self._seen = False
        self._next_look = 0.0

    def __bool__(self) -> bool:
        """Whether they are there, as far as is known; until then what happens goes uncounted."""
        if not self._seen and time.monotonic() >= self._next_look:
            self._seen = self._tables <= set(connection.introspection.table_names())
            self._next_look = time.monotonic() + _AGAIN
            if not self._seen:
                logger.warning("nothing is counted before the database is migrated")
        return self._seen
