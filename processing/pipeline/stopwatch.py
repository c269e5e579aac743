"""How long each step of a task took, and a warning about one that took long."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Stopwatch:
    """Seconds by step, to the millisecond. A step of `slow` seconds or more is told in the log."""

    slow: float
    laps: dict[str, float] = field(default_factory=dict)
    _last: float = field(default_factory=time.monotonic)

    def lap(self, step: str) -> None:
        """The step that began with the last lap is over."""
        now = time.monotonic()
        seconds = self.laps[step] = round(now - self._last, 3)
        self._last = now
        if seconds >= self.slow:
            logger.warning("slow step", extra={"step": step, "seconds": seconds, "slow_from": self.slow})
