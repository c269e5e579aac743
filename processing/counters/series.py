"""Which series an increment goes to: no label takes more values than `MOST`; what comes later is counted as `other`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from processing.metrics import Increment

MOST = 100  # values of one label of one metric: models and providers are an administrator's, and could be thousands
OTHER = "other"
_LONGEST = 120  # characters of a value


@dataclass(frozen=True, slots=True)
class Series:
    """One line of what is told; `part` as in `Increment`."""

    metric: str
    part: str
    labels: tuple[str, ...]


class Sums:
    """Adds up, in order. Once a value of a label has a series it keeps it, so that no series ever falls."""

    def __init__(self, totals: Mapping[Series, int]) -> None:
        self.totals = dict(totals)
        self.touched: set[Series] = set()
        self._known: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
        for series in totals:
            self._note(series)

    def add(self, increments: Iterable[Increment]) -> None:
        for each in increments:
            values = tuple(self._bounded(each.metric, place, value) for place, value in enumerate(each.labels))
            series = Series(each.metric, each.part, values)
            self._note(series)
            self.totals[series] = self.totals.get(series, 0) + each.amount
            self.touched.add(series)

    def _bounded(self, metric: str, place: int, value: str) -> str:
        known, short = self._known[metric, place], value[:_LONGEST]
        return short if short in known or len(known - {OTHER}) < MOST else OTHER

    def _note(self, series: Series) -> None:
        for place, value in enumerate(series.labels):
            self._known[series.metric, place].add(value)
