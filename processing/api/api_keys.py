"""`/api/v1/auths/api_key`: the caller's own API keys, made, replaced and revoked by whoever has signed in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Q
from django.db.models.functions import Now
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from modelsregistry import registry
from processing.access import keys, model_access
from processing.access.models import ApiKey
from processing.access.restrictions import MAX_ENTRIES, Restrictions
from processing.api.actors import actor
from processing.api.authentication import caller
from processing.api.auths import NOT_KEPT
from processing.api.errors import ProblemSerializer
from processing.api.permissions import KeysEnabled, SignedIn
from processing.api.strict import StrictSerializer
from processing.errors import InvalidInput, NotFound

MAX_KEYS = 100  # that a user may have at once by their own making
_LATEST = 253_402_300_799  # the last second of the year 9999, after which there is no date


class _Words(serializers.ListField):
    child = serializers.CharField(max_length=255)

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, max_length=MAX_ENTRIES, **options)


class KeyRequestSerializer(StrictSerializer):
    """What a new key is for and limited to. Everything may be left out."""

    name = serializers.CharField(required=False, allow_blank=True, max_length=100)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(keys.SCOPES),
        required=False,
        help_text="`admin`: it may use the administrator's routes, as far as its user may.",
    )
    expires_at = serializers.FloatField(
        required=False, allow_null=True, min_value=0, max_value=_LATEST, help_text="Unix seconds; null: never."
    )
    allowed_endpoints = _Words(help_text="Paths that it may call, and what is below them; empty: all.")
    allowed_networks = _Words(help_text="Networks that it may be used from, as CIDR; empty: all.")
    allowed_models = _Words(help_text="Ids of models that it may use; empty: those that its user may.")


class RotationSerializer(StrictSerializer):
    """How a secret is replaced."""

    overlap = serializers.FloatField(
        required=False,
        min_value=0,
        max_value=keys.MAX_OVERLAP.total_seconds(),
        help_text="Seconds that the secret until now works on; by default a day.",
    )


class KeySerializer(serializers.Serializer[Any]):
    """A key without its secret. Times are Unix seconds."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    prefix = serializers.CharField(help_text="Its first characters, to tell it by.")
    scopes = serializers.ListField(child=serializers.CharField())
    allowed_endpoints = serializers.ListField(child=serializers.CharField())
    allowed_networks = serializers.ListField(child=serializers.CharField())
    allowed_models = serializers.ListField(child=serializers.CharField())
    created_at = serializers.FloatField()
    expires_at = serializers.FloatField(allow_null=True)
    last_used_at = serializers.FloatField(allow_null=True)
    previous_until = serializers.FloatField(
        allow_null=True, help_text="Until when the secret before this one works on; null: there is none."
    )


class MintedSerializer(KeySerializer):
    """A key with its secret, which is shown here and never again."""

    api_key = serializers.CharField()


class KeyListSerializer(serializers.Serializer[Any]):
    """The caller's keys."""

    api_keys = KeySerializer(many=True)


class ApiKeyViewSet(ViewSet):
    """The caller's own keys that are not revoked."""

    permission_classes = [IsAuthenticated, SignedIn, KeysEnabled]
    lookup_url_kwarg = "key_id"
    lookup_value_regex = "[0-9]{1,18}"

    @extend_schema(
        operation_id="api_keys",
        summary="List the caller's API keys, newest first",
        tags=["access"],
        responses={200: KeyListSerializer, "4XX": ProblemSerializer},
    )
    def list(self, request: Request) -> Response:
        own = ApiKey.objects.filter(user=caller(request), revoked_at=None).prefetch_related("allowed_models")
        return Response({"api_keys": [_shown(key) for key in own[:1000]]})

    @extend_schema(
        operation_id="mint_api_key",
        summary="Make an API key of the caller",
        description="The secret is in this answer and nowhere else. A key cannot make keys: it takes a token, or a "
        "browser's session.",
        tags=["access"],
        request=KeyRequestSerializer,
        responses={200: MintedSerializer, "4XX": ProblemSerializer},
    )
    def create(self, request: Request) -> Response:
        user, asked = caller(request), _checked(KeyRequestSerializer, request)
        _require_room(user.pk)
        restrictions = Restrictions(
            expires_at=_moment(asked.get("expires_at")),
            endpoints=asked.get("allowed_endpoints", ()),
            networks=asked.get("allowed_networks", ()),
            models=_usable(user.pk, asked.get("allowed_models", ())),
        )
        scopes = list(dict.fromkeys(asked.get("scopes", ())))
        key, secret = keys.mint(user, asked.get("name", ""), scopes, restrictions, by=actor(request))
        key.refresh_from_db()
        return Response({"api_key": secret, **_shown(key)}, headers=NOT_KEPT)

    @extend_schema(
        operation_id="revoke_api_key",
        summary="Revoke one of the caller's API keys",
        tags=["access"],
        responses={204: None, "4XX": ProblemSerializer},
    )
    def destroy(self, request: Request, key_id: str) -> Response:
        """From the next request on, it opens nothing."""
        keys.revoke(_own(request, key_id).pk, by=actor(request))
        return Response(status=204)

    @extend_schema(
        operation_id="rotate_api_key",
        summary="Give one of the caller's API keys a new secret",
        description="The key keeps its rights; the secret until now works on for a while.",
        tags=["access"],
        request=RotationSerializer,
        responses={200: MintedSerializer, "4XX": ProblemSerializer},
    )
    @action(detail=True, methods=["post"])
    def rotate(self, request: Request, key_id: str) -> Response:
        """The secret is in this answer and nowhere else."""
        seconds = _checked(RotationSerializer, request).get("overlap")
        key = _own(request, key_id)
        overlap = keys.OVERLAP if seconds is None else timedelta(seconds=seconds)
        secret = keys.rotate(key, overlap, by=actor(request))
        return Response({"api_key": secret, **_shown(key)}, headers=NOT_KEPT)


def _own(request: Request, key_id: str) -> ApiKey:
    key = ApiKey.objects.filter(pk=int(key_id), user=caller(request), revoked_at=None).first()
    if key is None:
        raise NotFound("There is no such key.", "key_not_found")
    return key


def _checked(serializer: type[StrictSerializer], request: Request) -> dict[str, Any]:
    asked = serializer(data=request.data)
    asked.is_valid(raise_exception=True)
    return dict(asked.validated_data)


def _require_room(user_id: int) -> None:
    valid = ApiKey.objects.filter(Q(expires_at=None) | Q(expires_at__gt=Now()), user_id=user_id, revoked_at=None)
    if valid.count() >= MAX_KEYS:
        raise InvalidInput(f"You have {MAX_KEYS} keys already: revoke one first.", "too_many_keys")


def _usable(user_id: int, models: list[str]) -> list[str]:
    """The models, all of which must be open to the user: who may not see one is not told that there is one."""
    asker = model_access.asker(user_id, None)
    unknown = [each for each in models if not registry.may_use(each, asker)]
    if unknown:
        sentences = [f"There is no model {each!r}." for each in unknown]
        raise InvalidInput("There is no such model.", "unknown_model", errors={"allowed_models": sentences})
    return models


def _moment(seconds: float | None) -> datetime | None:
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError):  # what is no number at all
        raise serializers.ValidationError({"expires_at": ["This is no moment."]}, "invalid") from None


def _shown(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.pk,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": key.scopes,
        "allowed_endpoints": key.allowed_endpoints,
        "allowed_networks": key.allowed_networks,
        "allowed_models": sorted(model.public_id for model in key.allowed_models.all()),
        "created_at": key.created_at.timestamp(),
        "expires_at": _seconds(key.expires_at),
        "last_used_at": _seconds(key.last_used_at),
        "previous_until": _seconds(key.previous_until),
    }


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
