"""Counting in the store that this service has: Redis where there is one, else the database's own way, else memory."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.db import connection

from processing.access.rates.contract import Store, StoreUnavailableError, Verdict, Window
from processing.access.rates.memory import MemoryStore
from processing.access.rates.postgresql import PostgresStore
from processing.access.rates.sqlite import SqliteStore

logger = logging.getLogger(__name__)

FILE = "counters.sqlite3"  # in the data directory
_LEFT_ALONE_FOR = 5.0  # seconds that a store which failed is not asked again: its time-out would hold up every request


class _Guarded:
    """A store that is left alone for a while when it has failed."""

    def __init__(self, name: str, store: Store) -> None:
        self.store = store
        self._name = name
        self._away_until = 0.0

    def take(self, windows: Sequence[Window]) -> Verdict:
        """As `Store.take`. Raises `StoreUnavailableError`, also without asking."""
        if time.monotonic() < self._away_until:
            raise StoreUnavailableError(f"{self._name} is left alone")
        try:
            verdict = self.store.take(windows)
        except StoreUnavailableError as error:
            if not self._away_until:
                logger.warning(
                    "rates cannot be counted where they should be; they are counted elsewhere",
                    extra={"store": self._name, "reason": str(error)},
                )
            self._away_until = time.monotonic() + _LEFT_ALONE_FOR
            raise
        if self._away_until:
            self._away_until = 0.0
            logger.info("rates are counted where they should be again", extra={"store": self._name})
        return verdict

    def forgive(self) -> None:
        """Ask it again at the next turn."""
        self._away_until = 0.0


def take(windows: Sequence[Window]) -> Verdict:
    """Count in every window, or in none where one has no room.

    Where Redis is away, the database counts, and where SQLite's file cannot be written, this process for itself: what
    was counted elsewhere is not known there, so that for one span up to twice the quota may be admitted.

    Raises Django's `DatabaseError` where a PostgreSQL has to count and does not answer.
    """
    for guarded in _stores(settings.REDIS_URL, connection.vendor):
        try:
            return guarded.take(windows)
        except StoreUnavailableError:
            continue
    return _MEMORY.take(windows)


def give_back(verdict: Verdict) -> None:
    """Undo what an admitted request has taken a moment ago, if the store that counted it can be reached."""
    with contextlib.suppress(StoreUnavailableError):
        if verdict.by is not None:
            verdict.by.give_back(verdict)


_MEMORY = MemoryStore()


@lru_cache(maxsize=8)
def _stores(redis_url: str, vendor: str) -> tuple[_Guarded, ...]:
    """From the one that should count to the last that can before memory."""
    beside_the_database = (
        _Guarded("PostgreSQL", PostgresStore()) if vendor == "postgresql" else _Guarded("SQLite", SqliteStore(_path))
    )
    if not redis_url:
        return (beside_the_database,)
    from processing.access.rates.redis import RedisStore  # an optional layer

    return _Guarded("Redis", RedisStore(redis_url)), beside_the_database


def _path() -> Path:
    return Path(settings.DATA_DIR) / FILE


def forget() -> None:
    """Begin with empty counters: those of this process and, beside SQLite, those in its file."""
    _MEMORY.clear()
    for guarded in _stores("", connection.vendor):
        guarded.forgive()
        if isinstance(guarded.store, SqliteStore) and _path().exists():
            guarded.store.clear()
