"""How long the database has answered without a break, as this process knows: what tells a dead worker from one that
could not renew its lease because nobody could."""

from __future__ import annotations

import time

from processing.tasks.lifecycle import LEASE

_BREAK = LEASE.total_seconds() / 2  # seconds; live workers have renewed their leases well within the other half


class Contact:
    """`now` is a `time.monotonic()` value."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._last = 0.0

    def answered(self, now: float | None = None) -> None:
        """The database has taken a write. One that comes late was held up, as everybody's were."""
        now = time.monotonic() if now is None else now
        if self._since is None or now - self._last > _BREAK:
            self._since = now
        self._last = now

    def lost(self) -> None:
        """The database has failed to answer."""
        self._since = None

    def is_steady(self) -> bool:
        """Whether every live worker must have been able to renew its lease: nothing has failed for one `LEASE`."""
        return self._since is not None and self._last - self._since >= LEASE.total_seconds()
