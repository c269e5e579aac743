"""Who is calling: an API key or a token as a bearer, or a browser that is signed in to the admin site."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.urls import resolve
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, SessionAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.request import Request

from processing.access import keys, restrictions
from processing.access.models import ApiKey, SignIn
from processing.api import tokens
from processing.api.addresses import client_address


class Bearer(BaseAuthentication):
    """What keys and tokens have in common."""

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


class ApiKeyAuthentication(Bearer):
    """`Authorization: Bearer sk-…`; sets `request.user` to the key's user and `request.auth` to the key.

    Raises `AccessDenied` for a key that may not be used here, or from there.
    """

    def authenticate(self, request: Request) -> tuple[Any, ApiKey] | None:
        secret = self.shown(request)
        if secret is None or _is_token(secret):
            return None
        if not settings.ENABLE_API_KEY:
            raise restrictions.switched_off()
        key = keys.find(secret)
        if key is None:
            raise AuthenticationFailed("The API key is unknown, expired or revoked.", code="invalid_key")
        restrictions.require(key, route=lambda: route(request), address=lambda: client_address(request))
        return key.user, key

    def shown(self, request: Request) -> str | None:
        """The secret that the request carries; None for a request without one."""
        return bearer(request)


class HeaderKeyAuthentication(ApiKeyAuthentication):
    """`X-Api-Key: sk-…`, which clients of docling-serve send; otherwise as above."""

    def shown(self, request: Request) -> str | None:
        return str(request.META.get("HTTP_X_API_KEY", "")).strip() or None


class TokenAuthentication(Bearer):
    """`Authorization: Bearer <jwt>`; sets `request.user` to who signed in and `request.auth` to the sign-in."""

    def authenticate(self, request: Request) -> tuple[Any, SignIn] | None:
        text = bearer(request)
        if text is None or not _is_token(text):
            return None
        sign_in = tokens.read(text)
        if sign_in is None:
            raise AuthenticationFailed("The token is invalid, expired or ended: sign in again.", code="invalid_token")
        return sign_in.user, sign_in


class BrowserSession(SessionAuthentication):
    """A session of the admin site, with its CSRF token."""


def bearer(request: Request) -> str | None:
    """What `Authorization: Bearer` carries; None where nothing is carried so."""
    scheme, _, secret = get_authorization_header(request).partition(b" ")
    return secret.strip().decode("latin-1") if scheme.lower() == b"bearer" else None


def caller(request: Request) -> User:
    """The user behind a request that `IsAuthenticated` let in."""
    if not isinstance(request.user, User):
        raise NotAuthenticated
    return request.user


def route(request: Request) -> str:
    """What Django resolved the request to; a view that is called without a URL is resolved here."""
    return (request._request.resolver_match or resolve(request.path_info)).route


def _is_token(secret: str) -> bool:
    return secret.count(".") == 2 and not secret.startswith(keys.MARK)


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI description shows API keys."""

    target_class = ApiKeyAuthentication
    name = "ApiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "An API key, `sk-…`."}


class HeaderKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI description shows the keys of docling-serve's clients."""

    target_class = HeaderKeyAuthentication
    name = "HeaderKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "header", "name": "X-Api-Key"}


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI description shows tokens."""

    target_class = TokenAuthentication
    name = "Token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "A token from `POST /api/v1/auths/signin`.",
        }


class BrowserSessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI description shows a browser's session."""

    target_class = BrowserSession
    name = "BrowserSession"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}
