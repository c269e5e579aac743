"""`GET /metrics`: what Prometheus scrapes. No key of the API opens it; where it is closed, a token of its own does."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from prometheus_client import PLATFORM_COLLECTOR, CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from processing.api.errors import not_found, problem
from processing.operations.measuring import ServiceCollector
from processing.operations.web_metrics import ProcessCollector, WebCollector

MODULES: Mapping[str, tuple[Collector, ...]] = {
    "api_v2": (ServiceCollector(),),
    "django": (WebCollector(),),
    "process": (ProcessCollector(), PLATFORM_COLLECTOR),
}


def scraped(request: HttpRequest) -> HttpResponse:
    """The metrics of the modules that the query names, or of all."""
    if settings.ENV.metrics_port is not None:
        return not_found(request, Exception())
    if request.method not in ("GET", "HEAD"):
        return method_not_allowed(request)
    return answered(request)


def method_not_allowed(request: HttpRequest) -> HttpResponse:
    """They are only read."""
    refusal = problem(request, 405, "The metrics are read by GET.", "method_not_allowed")
    refusal["Allow"] = "GET, HEAD"
    return refusal


def answered(request: HttpRequest) -> HttpResponse:
    """As `scraped`, wherever it is asked."""
    if not is_known(request.headers.get("Authorization", "")):
        refusal = problem(request, 401, "The metrics need their token.", "metrics_token_required")
        refusal["WWW-Authenticate"] = 'Bearer realm="metrics"'
        return refusal
    wanted = request.GET.getlist("module") or list(MODULES)
    if any(name not in MODULES for name in wanted):
        return problem(request, 400, f"There are the modules {', '.join(MODULES)}.", "unknown_module")
    response = HttpResponse(exposition(wanted), content_type=CONTENT_TYPE_PLAIN_0_0_4)
    response["Cache-Control"] = "no-store"
    return response


def is_known(authorization: str) -> bool:
    """Whether whoever sends this may read the metrics."""
    token: str = settings.ENV.metrics_token
    kind, _, given = authorization.partition(" ")
    return not token or (kind.lower() == "bearer" and secrets.compare_digest(given.strip().encode(), token.encode()))


def exposition(modules: list[str]) -> bytes:
    """In Prometheus' text format, version 0.0.4."""
    registry = CollectorRegistry(auto_describe=False)
    for name in dict.fromkeys(modules):
        for collector in MODULES[name]:
            registry.register(collector)
    return generate_latest(registry)
