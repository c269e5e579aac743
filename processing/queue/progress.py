"""Tells a cluster that lives from one that works: tasks are due, slots are free, and still nothing is taken."""

from __future__ import annotations

import time

from processing.queue import demand
from processing.tasks import lifecycle

PATIENCE = 15.0  # seconds; a worker takes a task within some hundredths


class Progress:
    """Asked again and again; `now` is a `time.monotonic()` value."""

    def __init__(self) -> None:
        self._first: tuple[int, int] | None = None
        self._since = 0.0

    def has_stalled(self, now: float | None = None) -> bool:
        """Whether the same task has stood first in line for `PATIENCE`, with a free slot at every look."""
        now = time.monotonic() if now is None else now
        first = self._first_in_line() if demand.now().wanted else None
        if first is None or first != self._first:
            self._first, self._since = first, now
        return first is not None and now - self._since >= PATIENCE

    def forget(self) -> None:
        """Begin anew, with a new cluster."""
        self._first = None

    def _first_in_line(self) -> tuple[int, int] | None:
        return lifecycle.due().order_by("-priority", "seq").values_list("seq", "lease_token").first()
