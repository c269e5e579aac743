"""django-prometheus' count of requests, with nothing in it that a caller could blow up: no method of their own making,
no length that is none."""

from __future__ import annotations

import contextlib
from typing import Any

from django.http import HttpRequest, HttpResponse
from django_prometheus.middleware import PrometheusAfterMiddleware

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
_UNKNOWN = 1 << 40  # what stands for the length of a chunked body (`apiv2project.connections`)


class _Nowhere:
    def observe(self, _amount: float) -> None:
        return


class RequestMetricsMiddleware(PrometheusAfterMiddleware):  # type: ignore[misc]  # it has no types
    """As django-prometheus', whose labels and sizes are bounded here."""

    def process_request(self, request: HttpRequest) -> None:
        with contextlib.suppress(ValueError):  # a length that is no number: others refuse the request
            super().process_request(request)

    def label_metric(
        self, metric: Any, request: HttpRequest, response: HttpResponse | None = None, **labels: Any
    ) -> Any:
        """One of a metric's series; none for the size of a body that nobody knows yet."""
        if metric is self.metrics.requests_body_bytes and not _has_size(request):
            return _Nowhere()
        if labels.get("method", "GET") not in _METHODS:
            labels["method"] = "<invalid method>"
        return super().label_metric(metric, request, response, **labels)


def _has_size(request: HttpRequest) -> bool:
    length = request.headers.get("content-length") or "0"
    return length.isascii() and length.isdigit() and int(length) < _UNKNOWN
