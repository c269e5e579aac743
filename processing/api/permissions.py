"""Who may call an endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from django.conf import settings
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from processing.access import restrictions
from processing.access.models import ApiKey
from processing.queue import admission
from processing.runtime.configuration import current

if TYPE_CHECKING:  # DRF's views load the default permissions, and so this module
    from rest_framework.views import APIView


class PublicEndpoint(BasePermission):
    """Open to anybody while the view's `public_name` is in `API_V2_PUBLIC_ENDPOINTS`; else to known callers.

    Health is always open: a load balancer has no key.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        name = view.public_name  # type: ignore[attr-defined]
        return name == "health" or name in settings.API_V2_PUBLIC_ENDPOINTS or request.user.is_authenticated


class SwitchedOn(BasePermission):
    """Nothing new is taken while the service is switched off. Reading goes on, and so does DELETE, which cancels.

    One of the default permissions, so that a new route has it too; what must work all the same, such as signing in,
    names its own.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Raises `ServiceUnavailable` (`disabled`)."""
        if request.method not in (*SAFE_METHODS, "DELETE"):
            admission.require_switched_on(current().parameters)
        return True


class Administrator(BasePermission):
    """A caller who holds the Django permission that the view's `permission_required` names for the method.

    A key must also carry the `admin` scope: a leaked everyday key of an administrator changes nothing.
    """

    message = "This needs an administrator's permission and, with an API key, the admin scope."
    code = "admin_required"

    def has_permission(self, request: Request, view: APIView) -> bool:
        needed: Mapping[str, str] = view.permission_required  # type: ignore[attr-defined]
        permission = needed.get("GET" if request.method in ("HEAD", "OPTIONS") else request.method or "")
        if permission is None:
            return bool(request.user.is_authenticated)  # the view answers 405 itself
        if isinstance(request.auth, ApiKey) and "admin" not in request.auth.scopes:
            return False
        return request.user.is_authenticated and request.user.has_perm(permission)


class SignedIn(BasePermission):
    """A caller who has shown a password, by a token or a browser's session: a key makes no keys, changes none, and does
    not sign out."""

    message = "An API key may not do this: sign in, and use the token."
    code = "sign_in_required"

    def has_permission(self, request: Request, view: APIView) -> bool:
        return not isinstance(request.auth, ApiKey)


class KeysEnabled(BasePermission):
    """While `ENABLE_API_KEY` is false, nobody makes keys that would open nothing."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not settings.ENABLE_API_KEY and request.method == "POST":
            raise restrictions.switched_off()
        return True
