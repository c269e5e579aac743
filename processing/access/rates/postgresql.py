"""Counters in PostgreSQL, by one statement a request: a function that counts in all windows or in none (migration
`rate_limits`). The table is unlogged, so a commit of nothing else writes nothing to the log and waits for no disk."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from django.db import connection

from processing.access.rates.contract import Counted, Verdict, Window

_SWEEP_EVERY = 60.0  # seconds
_SWEPT_AT_ONCE = 20_000  # rows

_TAKE = "SELECT ends, counted, is_admitted, moment FROM api_v2_take_rates(%s, %s, %s, %s, %s)"
_GIVE_BACK = """
UPDATE processing_ratecounter SET used = greatest(0, used - %s) WHERE ends_at = %s AND subject = %s AND seconds = %s
"""
_SWEEP = """
DELETE FROM processing_ratecounter WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM processing_ratecounter WHERE ends_at < %s ORDER BY ends_at LIMIT %s FOR UPDATE SKIP LOCKED
))
"""


class PostgresStore:
    """On the thread's own connection, outside of any transaction: counting must not wait for one to end."""

    def __init__(self) -> None:
        self._next_sweep = 0.0
        self._sweeping = threading.Lock()

    def take(self, windows: Sequence[Window], at: float | None = None) -> Verdict:
        """As `Store.take`; rows are locked in one order by all, so that none wait for one another. A database that does
        not answer raises Django's `DatabaseError`, as it does wherever else it is asked."""
        ordered = sorted(windows, key=lambda window: (window.subject, window.seconds))
        columns = zip(*((each.subject, each.seconds, each.quota, each.cost) for each in ordered), strict=True)
        with connection.cursor() as cursor:
            cursor.execute(_TAKE, [*map(list, columns), at])
            rows = cursor.fetchall()
        counted = {window: Counted(window, row[1], row[0]) for window, row in zip(ordered, rows, strict=True)}
        _, _, admitted, now = rows[0]
        if admitted:
            self._maybe_sweep(now)
        return Verdict(tuple(counted[window] for window in windows), admitted, now, self)

    def give_back(self, verdict: Verdict) -> None:
        """As `Store.give_back`; each by itself, so that no lock is held while another is awaited."""
        with connection.cursor() as cursor:
            for each in verdict.counted:
                window = each.window
                cursor.execute(_GIVE_BACK, [window.cost, each.ends_at, window.subject, window.seconds])

    def _maybe_sweep(self, now: float) -> None:
        if time.monotonic() < self._next_sweep or not self._sweeping.acquire(blocking=False):
            return
        try:
            self._next_sweep = time.monotonic() + _SWEEP_EVERY
            with connection.cursor() as cursor:
                cursor.execute(_SWEEP, [int(now) - 60, _SWEPT_AT_ONCE])
        finally:
            self._sweeping.release()
