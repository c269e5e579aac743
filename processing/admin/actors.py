"""Who acts in the admin, as the audit trail names them."""

from __future__ import annotations

from django.http import HttpRequest

from processing.access.audit import Actor


def actor(request: HttpRequest) -> Actor:
    """The member of the staff who sent this request."""
    return Actor("admin", request.user.pk, request.user.get_username(), "", request.META.get("api_v2.request_id", ""))
