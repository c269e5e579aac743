"""Asking a running service how it is, as a load balancer would: over HTTP, at its own address."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from processing.operations import health

UNREACHABLE = "unreachable"
_PATIENCE = 5.0  # seconds for one answer
_EVERY = 0.25  # seconds between two looks
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy has no business between the two


@dataclass(frozen=True, slots=True)
class Look:
    """What was said: `body` as `GET /api/v2/health` tells it; where nobody answers, its `status` is `unreachable`."""

    is_serving: bool
    body: Mapping[str, Any]

    @property
    def is_healthy(self) -> bool:
        return self.body.get("status") == health.HEALTHY


def look(url: str, headers: Mapping[str, str]) -> Look:
    """Ask the service at this address once."""
    request = urllib.request.Request(f"{url}/api/v2/health", headers=dict(headers))  # noqa: S310  (an operator's)
    try:
        with _OPENER.open(request, timeout=_PATIENCE) as reply:
            return Look(is_serving=True, body=_body(reply.read()))
    except urllib.error.HTTPError as error:
        with error:
            return Look(is_serving=False, body=_body(error.read()))
    except (OSError, ValueError) as error:
        return _unreachable(f"{url} does not answer: {getattr(error, 'reason', error)}")


def look_inside() -> Look:
    """Ask what the service depends on from this process, for a host without a web server."""
    report = health.report()
    body = {key: value for key, value in asdict(report).items() if key != "memory"}
    return Look(report.is_serving, {**body, "memory_usage": asdict(report.memory)})


def wait(ask: Callable[[], Look], is_enough: Callable[[Look], bool], seconds: float) -> Look:
    """Ask until it is enough, for at most so long; returns what was said last."""
    end = time.monotonic() + seconds
    while not is_enough(seen := ask()) and time.monotonic() < end:
        time.sleep(_EVERY)
    return seen


def _body(content: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        found = None
    if isinstance(found, dict) and "status" in found:
        return found
    return _unreachable("What answers there is not this service.").body


def _unreachable(sentence: str) -> Look:
    return Look(is_serving=False, body={"status": UNREACHABLE, "details": {"service": sentence}})
