"""Who acts in the admin site, as the audit tells it."""

from __future__ import annotations

from django.http import HttpRequest

from processing.access.audit import Actor


def actor(request: HttpRequest) -> Actor:
    """Whoever is signed in."""
    identifier = str(request.META.get("api_v2.request_id", ""))  # what the middleware of `processing.api` left there
    return Actor("admin", request.user.pk, request.user.get_username(), request_id=identifier)
