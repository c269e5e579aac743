"""Who acts through the API, as the audit tells it."""

from __future__ import annotations

from rest_framework.request import Request

from processing.access.audit import Actor
from processing.access.models import ApiKey
from processing.api.authentication import caller
from processing.api.requests import request_id


def actor(request: Request) -> Actor:
    """The caller of a request that was let in, with the key that they used, if it was one."""
    user = caller(request)
    key = request.auth.prefix if isinstance(request.auth, ApiKey) else ""
    return Actor("api", user.pk, user.get_username(), key, request_id(request._request))
