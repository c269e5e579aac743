"""Waiting for the end of tasks, in the thread of whoever waits: their rows are looked at, ever more seldom."""

from __future__ import annotations

import time
from collections.abc import Collection

from processing.tasks.models import FINAL, Task

_FIRST_PAUSE = 0.03  # seconds between two looks; longer each time
_LONGEST_PAUSE = 0.5


def ended(seqs: Collection[int], seconds: float) -> bool:
    """Whether all of these tasks have ended, at the latest after so many seconds. One that was erased has."""
    until = time.monotonic() + seconds
    pause = _FIRST_PAUSE
    while Task.objects.filter(seq__in=seqs).exclude(status__in=FINAL).exists():
        left = until - time.monotonic()
        if left <= 0:
            return False
        _rest(min(pause, left))
        pause = min(pause * 1.3, _LONGEST_PAUSE)
    return True


def _rest(seconds: float) -> None:
    time.sleep(seconds)
