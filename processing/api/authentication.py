"""Who is calling: an API key as a bearer token, or a browser that is signed in to the admin site."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, SessionAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.request import Request

from processing.access import keys
from processing.access.models import ApiKey


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer sk-…`; sets `request.user` to the key's user and `request.auth` to the key."""

    def authenticate(self, request: Request) -> tuple[Any, ApiKey] | None:
        scheme, _, secret = get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        key = keys.find(secret.strip().decode("latin-1"))
        if key is None:
            raise AuthenticationFailed("The API key is unknown, expired or revoked.", code="invalid_key")
        return key.user, key

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


def caller(request: Request) -> User:
    """The user behind a request that `IsAuthenticated` let in."""
    if not isinstance(request.user, User):
        raise NotAuthenticated
    return request.user


class BrowserSession(SessionAuthentication):
    """A session of the admin site, with its CSRF token."""


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI description shows API keys."""

    target_class = ApiKeyAuthentication
    name = "ApiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "An API key, `sk-…`."}


class BrowserSessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI description shows a browser's session."""

    target_class = BrowserSession
    name = "BrowserSession"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}
