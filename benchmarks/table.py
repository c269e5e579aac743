"""A measurement beside its goal, and the Markdown table that measurements are printed in."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `met` is None where there is no goal."""

    name: str
    figure: str
    goal: str = "–"
    met: bool | None = None

    def as_markdown(self) -> str:
        verdict = {None: "–", True: "met", False: "**falls short**"}[self.met]
        return f"| {self.name} | {self.figure} | {self.goal} | {verdict} |"


HEAD = "| Measurement | Figure | Goal | |\n|---|---|---|---|"


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that is not exceeded by `percent` % of the values (the nearest-rank method)."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(percent / 100 * len(ranked)) - 1)]


def milliseconds(seconds: Sequence[float]) -> str:
    """Half and the slowest twentieth of some durations, for a cell of the table."""
    return f"p50 {statistics.median(seconds) * 1000:.0f} ms, p95 {percentile(seconds, 95) * 1000:.0f} ms"
