"""Prometheus' text format, read back."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from processing import metrics
from processing.metrics import Gauge


def samples(text: str) -> dict[str, float]:
    """Every sample by its name and its labels in their names' order, such as `api_v2_workers{host="a"}`."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[sample.name + (f"{{{labels}}}" if labels else "")] = sample.value
    return found


def counted(found: dict[str, float]) -> dict[str, float]:
    """Those of them that may only rise."""
    names = tuple(metrics.PREFIX + each.name for each in metrics.TABLE.values() if not isinstance(each, Gauge))
    return {name: value for name, value in found.items() if name.startswith(names) and "quantile=" not in name}
