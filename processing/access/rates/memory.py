"""Counters in this process's memory: what is left where nothing else can count, exact for this process alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from processing.access.rates.contract import Counted, Verdict, Window, end_of

_MOST = 100_000  # counters


class MemoryStore:
    """A dictionary and a lock."""

    def __init__(self) -> None:
        self._used: dict[tuple[int, str, int], int] = {}
        self._lock = threading.Lock()

    def take(self, windows: Sequence[Window], at: float | None = None) -> Verdict:
        """As `Store.take`."""
        now = time.time() if at is None else at
        keys = [(end_of(window.seconds, now), window.subject, window.seconds) for window in windows]
        with self._lock:
            used = [self._used.get(key, 0) for key in keys]
            admitted = all(n + window.cost <= window.quota for window, n in zip(windows, used, strict=True))
            if admitted:
                self._make_room(now)
                used = [n + window.cost for window, n in zip(windows, used, strict=True)]
                self._used.update(zip(keys, used, strict=True))
        counted = (Counted(w, n, key[0]) for w, n, key in zip(windows, used, keys, strict=True))
        return Verdict(tuple(counted), admitted, now, self)

    def give_back(self, verdict: Verdict) -> None:
        """As `Store.give_back`."""
        with self._lock:
            for each in verdict.counted:
                key = (each.ends_at, each.window.subject, each.window.seconds)
                self._used[key] = max(0, self._used.get(key, 0) - each.window.cost)

    def clear(self) -> None:
        """Forget all counts."""
        self._used.clear()

    def _make_room(self, now: float) -> None:
        if len(self._used) < _MOST:
            return
        self._used = {key: n for key, n in self._used.items() if key[0] > now}
        while len(self._used) >= _MOST:
            del self._used[next(iter(self._used))]
