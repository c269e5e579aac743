"""Who acts in a request, as the audit trail names them."""

from __future__ import annotations

from rest_framework.request import Request

from processing.access.audit import Actor
from processing.access.models import ApiKey
from processing.api.authentication import caller
from processing.api.requests import request_id


def actor(request: Request) -> Actor:
    """The caller of an API request, and the key that they came with."""
    user = caller(request)
    key = request.auth.prefix if isinstance(request.auth, ApiKey) else ""
    return Actor("api", user.pk, user.get_username(), key, request_id(request._request))
