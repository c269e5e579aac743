"""Waiting for the end of a task: how long a caller asks to, and whether the server has a place for one more."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from processing.errors import ServiceUnavailable

LONGEST = 60  # seconds; whoever asks for more waits so long
PLACES = "api_v2.wait"  # of the request's META: how the server is asked for a place to wait in
_PREFERENCE = re.compile(r'(?:^|[,;\s])wait\s*=\s*"?([0-9]{1,9})', re.ASCII | re.IGNORECASE)
_COME_BACK = 5  # seconds


class WaitSerializer(serializers.Serializer[Any]):
    """How long to wait for the end of a task."""

    wait = serializers.FloatField(
        required=False,
        min_value=0,
        help_text=f"Seconds to wait for the end of the task before answering; at most {LONGEST}, also where more are "
        "asked for.",
    )

    def validate_wait(self, value: float) -> float:
        """NaN passes every comparison."""
        if value != value:
            raise serializers.ValidationError("A valid number is required.", code="invalid")
        return min(value, LONGEST)


def wanted(request: Request) -> float:
    """The seconds of `?wait=`; 0 without."""
    if "wait" not in request.query_params:
        return 0.0
    asked = WaitSerializer(data={"wait": request.query_params["wait"]})
    asked.is_valid(raise_exception=True)
    return float(asked.validated_data["wait"])


def preferred(request: Request) -> int:
    """The seconds of `Prefer: wait=N` (RFC 7240, 4.3), as far as they are granted; 0 without, and if malformed."""
    found = _PREFERENCE.search(request.headers.get("Prefer", ""))
    return min(int(found[1]), LONGEST) if found else 0


def take_place(request: Request) -> bool:
    """Whether there is a place for this request to wait in; one that the server knew of by its headers has its own."""
    ask: Callable[[], bool] = request.META.get(PLACES, lambda: True)
    return ask()


def require_place(request: Request) -> None:
    """Raises `ServiceUnavailable` (`busy`) where too many wait already."""
    if not take_place(request):
        raise ServiceUnavailable("Too many requests are under way. Come back soon.", "busy", retry_after=_COME_BACK)
