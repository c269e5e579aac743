"""Budgets that must cost next to nothing: each process takes a twentieth of one at a time, and spends it in memory.

So no more than the quota is ever admitted, whichever processes and hosts serve, and a store is asked once in many
requests. What one process has taken and not spent is lost to the others until the span ends: with P processes, up to
P − 1 twentieths.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from processing.access.rates import counting
from processing.access.rates.contract import Counted, Verdict, Window, end_of

_PARTS = 20
_TRIES = 50
_MOST = 20_000  # leases of one process, some 10 MB


@dataclass(slots=True)
class _Lease:
    """`left` may be spent here until `until` (monotonic); `elsewhere` is what nobody had taken when we last asked."""

    window: Window
    left: int
    elsewhere: int
    until: float
    ends_at: int

    @property
    def used(self) -> int:
        """Units that nobody can spend any more, or only another process."""
        return max(0, self.window.quota - self.left - self.elsewhere)


_leases: dict[tuple[str, int], _Lease] = {}
_lock = threading.Lock()


def take(windows: Sequence[Window]) -> Verdict:
    """As `counting.take`, for windows that cost one unit each. Raises as it does."""
    for _ in range(_TRIES):
        for window in windows:
            if _lacks(window):
                _renew(window)
        verdict = _spent(windows)
        if verdict.admitted or not any(map(_lacks, windows)):
            break  # else other threads have spent what this one had taken
    return verdict


def _spent(windows: Sequence[Window]) -> Verdict:
    with _lock:
        # A lease that was thrown away to make room is one of nothing.
        leases = [_leases.get((each.subject, each.seconds)) or _nothing_of(each) for each in windows]
        admitted = all(lease.left for lease in leases)
        if admitted:
            for lease in leases:
                lease.left -= 1
        counted = tuple(Counted(each.window, each.used, each.ends_at) for each in leases)
    return Verdict(counted, admitted, leases[0].ends_at - max(0.0, leases[0].until - time.monotonic()))


def _nothing_of(window: Window) -> _Lease:
    now = time.time()
    ends_at = end_of(window.seconds, now)
    return _Lease(window, 0, 0, time.monotonic() + ends_at - now, ends_at)


def _lacks(window: Window) -> bool:
    """Whether the store has to be asked: it is not when it has said that nothing is left until the span ends."""
    lease = _leases.get((window.subject, window.seconds))
    if lease is None or time.monotonic() >= lease.until or lease.window.quota != window.quota:
        return True
    return lease.left == 0 and lease.elsewhere > 0


def _renew(window: Window) -> None:
    part = max(1, window.quota // _PARTS)
    verdict = counting.take([replace(window, cost=part)])
    if not verdict.admitted and 0 < verdict.counted[0].remaining < part:  # the rest of the quota, one by one
        part = 1
        verdict = counting.take([replace(window, cost=part)])
    (told,) = verdict.counted
    until = time.monotonic() + max(0.0, told.ends_at - verdict.now)
    with _lock:
        _make_room()
        known = _leases.get((window.subject, window.seconds))
        kept = known.left if known and known.ends_at == told.ends_at and known.window.quota == window.quota else 0
        left = kept + (part if verdict.admitted else 0)
        _leases[window.subject, window.seconds] = _Lease(window, left, told.remaining, until, told.ends_at)


def _make_room() -> None:
    """Whose lease is thrown away takes another: stricter than promised, and never less strict."""
    if len(_leases) < _MOST:
        return
    now = time.monotonic()
    for name in [name for name, lease in _leases.items() if lease.until <= now]:
        del _leases[name]
    while len(_leases) >= _MOST:
        del _leases[next(iter(_leases))]


def forget() -> None:
    """Hold nothing any more; what was taken is lost until its span ends."""
    with _lock:
        _leases.clear()


def _forget_in_child() -> None:
    global _lock
    _lock = threading.Lock()
    _leases.clear()  # they are the parent's


os.register_at_fork(after_in_child=_forget_in_child)
