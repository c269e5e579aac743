"""Where a request comes from, as far as the proxies in front of the service are to be believed."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request

from processing.access import networks


def client_address(request: HttpRequest | Request) -> str:
    """The client's address in canonical form; empty where there is none, as behind a Unix socket.

    Each proxy adds to `X-Forwarded-For` whom it was asked by. Of as many of these as `NUM_PROXIES` says, from the end,
    the first is the client; what stands before it the client may have invented.
    """
    told = request.META.get("REMOTE_ADDR", "")
    if settings.NUM_PROXIES:
        forwarded = [each.strip() for each in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
        told = forwarded[-min(settings.NUM_PROXIES, len(forwarded))] or told
    found = networks.address(_without_port(told))
    return "" if found is None else str(found)


def known_address(request: HttpRequest) -> str | None:
    """The same for django-axes: None where there is none."""
    return client_address(request) or None


def _without_port(text: str) -> str:
    """Some proxies write `192.0.2.7:4711` or `[2001:db8::7]:4711`."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text
