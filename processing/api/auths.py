"""`/api/v1/auths`: signing in and out, and who is asking."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import authenticate, logout
from django.contrib.auth.models import User, update_last_login
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from processing.access import lockout, sign_ins
from processing.access.models import SignIn
from processing.api import tokens
from processing.api.addresses import client_address
from processing.api.authentication import caller
from processing.api.errors import ProblemSerializer
from processing.api.permissions import SignedIn

NOT_KEPT = {"Cache-Control": "no-store"}
ROLES = ["admin", "user"]


class CredentialsSerializer(serializers.Serializer[Any]):
    """Who wants to sign in."""

    email = serializers.CharField(max_length=254, help_text="The user name or, where it is theirs alone, the address.")
    password = serializers.CharField(max_length=1024, trim_whitespace=False, write_only=True)


class AccountSerializer(serializers.Serializer[Any]):
    """A user."""

    id = serializers.IntegerField()
    username = serializers.CharField()
    email = serializers.CharField()
    name = serializers.CharField()
    role = serializers.ChoiceField(ROLES, help_text="`admin`: may do everything. Others may have single permissions.")


class TokenSerializer(AccountSerializer):
    """A token and whose it is."""

    token = serializers.CharField()
    token_type = serializers.CharField(default="Bearer")
    expires_at = serializers.FloatField(help_text="Unix seconds.")


class SignedOutSerializer(serializers.Serializer[Any]):
    """The end of a sign-in."""

    message = serializers.CharField()


class AuthViewSet(ViewSet):
    """Signing in and out."""

    def get_authenticate_header(self, request: Request) -> str:
        """A wrong password is answered with 401, which has to name a way in."""
        return 'Bearer realm="api"'

    @extend_schema(
        operation_id="who_am_i",
        summary="Who is asking",
        tags=["access"],
        responses={200: AccountSerializer, "4XX": ProblemSerializer},
    )
    def list(self, request: Request) -> Response:
        return Response(_account(caller(request)), headers=NOT_KEPT)

    @extend_schema(
        operation_id="sign_in",
        summary="Sign in with a password, for a token",
        description="After repeated failures a name is locked out, from where they came: 429 with `Retry-After`.",
        tags=["access"],
        auth=[],
        request=CredentialsSerializer,
        responses={200: TokenSerializer, "4XX": ProblemSerializer},
    )
    # Whoever signs in may still send what has ended: it is not looked at.
    @action(detail=False, methods=["post"], authentication_classes=[], permission_classes=[])
    def signin(self, request: Request) -> Response:
        credentials = CredentialsSerializer(data=request.data)
        credentials.is_valid(raise_exception=True)
        name, password = credentials.validated_data["email"], credentials.validated_data["password"]
        # django-axes marks Django's own request, and its middleware answers for whoever is locked out.
        user = authenticate(request._request, username=name, password=password)
        if not isinstance(user, User):
            raise AuthenticationFailed("The name or the password is wrong.", code="invalid_credentials")
        address = client_address(request)
        lockout.forget(name, address)
        update_last_login(User, user)
        issued = tokens.issue(user, address)
        body = {"token": issued.token, "token_type": "Bearer", "expires_at": issued.expires_at.timestamp()}
        return Response(body | _account(user), headers=NOT_KEPT)

    @extend_schema(
        operation_id="sign_out",
        summary="End the token, or the browser's session, that this is asked with",
        tags=["access"],
        request=None,
        responses={200: SignedOutSerializer, "4XX": ProblemSerializer},
    )
    @action(detail=False, methods=["post"], permission_classes=[IsAuthenticated, SignedIn])
    def signout(self, request: Request) -> Response:
        if isinstance(request.auth, SignIn):
            sign_ins.end(request.auth.pk)
        else:
            logout(request._request)
        return Response({"message": "You are signed out."})


def _account(user: User) -> dict[str, Any]:
    return {
        "id": user.pk,
        "username": user.get_username(),
        "email": user.email,
        "name": user.get_full_name() or user.get_username(),
        "role": "admin" if user.is_superuser else "user",
    }
