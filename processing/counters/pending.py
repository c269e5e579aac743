"""Counting what has no transaction of its own and happens too often for one: kept in memory for a moment, then written
together. A process that is killed takes that moment with it."""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter

from django.db import Error, connection

from processing.counters import ledger
from processing.metrics import Increment

logger = logging.getLogger(__name__)

_MOMENT = 1.0  # seconds
_Key = tuple[str, str, tuple[str, ...]]


class Pending:
    """What one process has counted and not written yet."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._amounts: Counter[_Key] = Counter()
        self._timer: threading.Timer | None = None

    def count(self, *increments: Increment) -> None:
        """Count within a moment. Never waits, and never fails."""
        with self._turn:
            for each in increments:
                self._amounts[each.metric, each.part, each.labels] += each.amount
            if self._timer is None and self._amounts:
                self._timer = threading.Timer(_MOMENT, self._when_due)
                self._timer.daemon = True
                self._timer.start()

    def write(self) -> None:
        """Write what was counted so far. Raises Django's `Error`, and then it is written another time."""
        with self._turn:
            amounts, self._amounts = self._amounts, Counter()
        try:
            ledger.add(*(Increment(*key, amount) for key, amount in sorted(amounts.items())))
        except BaseException:
            with self._turn:
                self._amounts.update(amounts)
            raise

    def forget(self) -> None:
        """Write none of it."""
        with self._turn:
            self._amounts.clear()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _when_due(self) -> None:
        with self._turn:
            self._timer = None
        try:
            self.write()
        except Error:
            logger.warning("counts could not be written", exc_info=True)
            self.count()  # So that there is another try.
        finally:
            connection.close()


_pending = Pending()


def count(*increments: Increment) -> None:
    """As `Pending.count`, for this process."""
    _pending.count(*increments)


def write() -> None:
    """As `Pending.write`, for this process."""
    _pending.write()


def forget() -> None:
    """Forget what this process has counted and not written."""
    _pending.forget()


def _begin_anew() -> None:
    """What a parent process has counted it writes itself; and its lock may be held by a thread that is not here."""
    global _pending
    _pending = Pending()


os.register_at_fork(after_in_child=_begin_anew)
