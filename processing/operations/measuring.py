"""The service's own metrics as Prometheus takes them: totals and gauges of one moment, a second old at most.

Whatever the database does, there is an answer: without it, what this host knows by itself, and `api_v2_up` 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    SummaryMetricFamily,
)
from prometheus_client.metrics_core import (
    Metric as Family,
)
from prometheus_client.registry import Collector

from processing import metrics
from processing.counters import ledger, pending
from processing.counters.series import Series
from processing.metrics import COUNT, PREFIX, SUM, Counter, Gauge, Histogram, Metric, Sample, Summary
from processing.operations import gauges
from processing.operations.probe import Probe

PATIENCE = 5.0  # seconds; Prometheus itself waits for 10, unless it is told otherwise
_FRESH = 1.0  # seconds that an answer is good for, whoever asks

Amounts = Mapping[tuple[str, ...], Mapping[str, int]]  # of one metric, by labels and part


@dataclass(frozen=True, slots=True)
class _Rows:
    amounts: Mapping[str, Amounts]
    samples: tuple[Sample, ...]
    durations: tuple[tuple[float, float], ...]


def _ask() -> _Rows:
    pending.write()
    totals = ledger.totals()
    amounts: dict[str, dict[tuple[str, ...], dict[str, int]]] = {}
    for series, amount in totals.amounts.items():
        _put(amounts, series, amount)
    samples = (*gauges.of_rows(), metrics.UNFOLDED.at(totals.unfolded))
    return _Rows(amounts, samples, tuple(gauges.latest_durations()))


def _put(amounts: dict[str, dict[tuple[str, ...], dict[str, int]]], series: Series, amount: int) -> None:
    amounts.setdefault(series.metric, {}).setdefault(series.labels, {})[series.part] = amount


_rows = Probe("metrics", _ask, max_age=_FRESH)


class ServiceCollector(Collector):
    """What the service tells of itself, for a registry of `prometheus_client`."""

    def describe(self) -> Iterable[Family]:
        """Nothing: a registry need not ask the database what there will be."""
        return ()

    def collect(self) -> Iterator[Family]:
        rows = _rows.ask().outcome(PATIENCE)
        samples = [metrics.UP.at(rows is not None), *gauges.of_this_host(), *(rows.samples if rows else ())]
        for metric in metrics.TABLE.values():
            if isinstance(metric, Gauge):
                yield _gauge(metric, samples)
            elif rows is not None:
                yield _counted(metric, rows.amounts.get(metric.name, {}), rows.durations)


def forget() -> None:
    """Ask anew at the next question."""
    _rows.forget()


def _gauge(metric: Gauge, samples: Iterable[Sample]) -> Family:
    family = GaugeMetricFamily(PREFIX + metric.name, metric.help, labels=metric.labels)
    for sample in samples:
        if sample.metric == metric.name:
            family.add_metric(sample.labels, sample.value)
    return family


def _counted(metric: Metric, amounts: Amounts, durations: Iterable[tuple[float, float]]) -> Family:
    """A metric without labels is there from the beginning, at 0, so that its first rise is seen as one."""
    beginning: Amounts = {(value,): {} for value in metric.known} if metric.labels else {(): {}}
    found = {**beginning, **amounts}
    if isinstance(metric, Counter):
        counter = CounterMetricFamily(PREFIX + metric.name, metric.help, labels=metric.labels)
        for labels, parts in found.items():
            counter.add_metric(labels, parts.get("", 0) / metric.unit)
        return counter
    if isinstance(metric, Summary):
        return _summary(metric, found, durations)
    assert isinstance(metric, Histogram)  # noqa: S101  (there is no other kind)
    return _histogram(metric, found)


def _summary(metric: Summary, amounts: Amounts, durations: Iterable[tuple[float, float]]) -> Family:
    family = SummaryMetricFamily(PREFIX + metric.name, metric.help, labels=metric.labels)
    if metric.of_late:
        known = dict(durations)
        for quantile in gauges.QUANTILES:
            family.add_sample(PREFIX + metric.name, {"quantile": str(quantile)}, known.get(quantile, math.nan))
    for labels, parts in amounts.items():
        family.add_metric(labels, parts.get(COUNT, 0), parts.get(SUM, 0) / metric.unit)
    return family


def _histogram(metric: Histogram, amounts: Amounts) -> Family:
    family = HistogramMetricFamily(PREFIX + metric.name, metric.help, labels=metric.labels)
    ends = [*map(str, metric.bounds), "+Inf"]
    for labels, parts in amounts.items():
        so_far, buckets = 0, []
        for number, end in enumerate(ends):
            so_far += parts.get(str(number), 0)
            buckets.append((end, float(so_far)))
        family.add_metric(labels, buckets, parts.get(SUM, 0) / metric.unit)
    return family
