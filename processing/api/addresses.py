"""Where a request comes from, as far as the proxies in front of the service are to be believed."""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request


def client_address(request: HttpRequest | Request) -> str:
    """The client's address in canonical form; empty where there is none, as behind a Unix socket."""
    told = request.META.get("REMOTE_ADDR", "")
    proxies = getattr(settings, "NUM_PROXIES", 0)
    if proxies:
        forwarded = [each.strip() for each in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
        told = forwarded[-min(proxies, len(forwarded))] or told
    try:
        return str(ipaddress.ip_address(told))
    except ValueError:
        return ""
