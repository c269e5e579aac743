"""How long until the service is healthy: on an empty data directory, and on one that has been used before."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from benchmarks.service import running
from benchmarks.table import Row

_ROUNDS = 3
_COLD_GOAL = 120.0  # with the installation, which is measured on an empty machine
_WARM_GOAL = 5.0


def rows() -> list[Row]:
    """One row for each kind of start."""
    pairs = [_pair() for _ in range(_ROUNDS)]
    cold, warm = (statistics.median(column) for column in zip(*pairs, strict=True))
    return [
        Row(
            "cold start, empty data directory to healthy (installed already)",
            f"{cold:.1f} s",
            f"≤ {_COLD_GOAL:.0f} s with the installation",
            None if cold <= _COLD_GOAL else False,
        ),
        Row("warm start, second start to healthy", f"{warm:.1f} s", f"≤ {_WARM_GOAL:.0f} s", warm <= _WARM_GOAL),
    ]


def _pair() -> tuple[float, float]:
    """Seconds of the first start on a data directory, and of the second."""
    with tempfile.TemporaryDirectory(prefix="apiv2-bench-") as directory:
        seconds = []
        for _ in range(2):
            with running(Path(directory)) as service:
                seconds.append(service.seconds_to_healthy)
    return seconds[0], seconds[1]
