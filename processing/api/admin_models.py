"""`/admin/models` and `/api/v1/models`: the registry of models, for administrators."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from modelsregistry import registration
from modelsregistry.models import RegisteredModel
from modelsregistry.registration import Registration
from processing.api.errors import ProblemSerializer
from processing.api.parsers import BoundedJSONParser
from processing.api.permissions import Administrator

MAX_TOKENS_OF_ANY_MODEL = 2_000_000_000
# An id goes into URLs, logs and lists with commas: no blanks, no control characters.
ID = r"^[^\s\x00-\x1f\x7f,\ud800-\udfff]+$"


def _tokens(**more: Any) -> serializers.IntegerField:
    return serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=MAX_TOKENS_OF_ANY_MODEL, **more
    )


class RegistrationMetaSerializer(serializers.Serializer[dict[str, Any]]):
    """What the model can do. What is left out stays as it is."""

    vision = serializers.BooleanField(required=False, help_text="Whether it sees pictures of pages.")
    max_tokens = _tokens(help_text="Tokens that it can write at most.")
    context_length = _tokens(help_text="Tokens that it can read and write.")
    description = serializers.CharField(required=False, allow_blank=True, max_length=4000)


class RegistrationSerializer(serializers.Serializer[dict[str, Any]]):
    """A model to be offered."""

    id = serializers.RegexField(ID, max_length=200, help_text="What clients call it.")
    name = serializers.CharField(required=False, max_length=200)
    provider = serializers.CharField(
        required=False, max_length=100, help_text="A provider's name; needed where there is not exactly one."
    )
    upstream_id = serializers.CharField(
        required=False, max_length=200, help_text="What the provider calls it, where that is not the id."
    )
    enabled = serializers.BooleanField(required=False)
    meta = RegistrationMetaSerializer(required=False)


class RegisteredMetaSerializer(serializers.Serializer[dict[str, Any]]):
    """What a registered model can do."""

    vision = serializers.BooleanField()
    max_tokens = serializers.IntegerField(allow_null=True, help_text="Tokens that it can write at most.")
    context_length = serializers.IntegerField(allow_null=True)
    description = serializers.CharField(allow_blank=True)


class RegisteredModelSerializer(serializers.Serializer[dict[str, Any]]):
    """A model as the registry keeps it; its settings are null where the service's own hold."""

    id = serializers.CharField()
    name = serializers.CharField()
    provider = serializers.CharField()
    provider_enabled = serializers.BooleanField()
    upstream_id = serializers.CharField()
    enabled = serializers.BooleanField()
    available = serializers.BooleanField()
    reason = serializers.CharField(allow_blank=True)
    meta = RegisteredMetaSerializer()
    temperature = serializers.FloatField(allow_null=True)
    max_tokens = serializers.IntegerField(allow_null=True)
    timeout = serializers.FloatField(allow_null=True, help_text="Seconds.")


class RegistrySerializer(serializers.Serializer[dict[str, Any]]):
    """Every model of the registry."""

    models = RegisteredModelSerializer(many=True)


@extend_schema_view(
    list=extend_schema(
        summary="Every model of the registry",
        tags=["administration"],
        responses={200: RegistrySerializer, "4XX": ProblemSerializer},
    ),
    create=extend_schema(
        summary="Register a model, or change one",
        description="201 if the model is new, 200 if it was there.",
        tags=["administration"],
        request=RegistrationSerializer,
        responses={200: RegisteredModelSerializer, 201: RegisteredModelSerializer, "4XX": ProblemSerializer},
    ),
)
class RegisteredModelViewSet(ViewSet):
    """The registry."""

    parser_classes = [BoundedJSONParser]
    permission_classes = [Administrator]
    permission_required = {
        "GET": "modelsregistry.view_registeredmodel",
        "POST": "modelsregistry.add_registeredmodel",
    }

    def list(self, _request: Request) -> Response:
        return Response({"models": [_described(model) for model in registration.registered()]})

    def create(self, request: Request) -> Response:
        body = RegistrationSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        wanted = _wanted(body.validated_data)
        if registration.find(wanted.id) and not request.user.has_perm("modelsregistry.change_registeredmodel"):
            raise PermissionDenied
        model, is_new = registration.register(wanted)
        return Response(_described(model), status=201 if is_new else 200)


def _wanted(given: dict[str, Any]) -> Registration:
    meta = given.get("meta", {})
    return Registration(
        id=given["id"],
        name=given.get("name"),
        provider=given.get("provider"),
        upstream_id=given.get("upstream_id"),
        description=meta.get("description"),
        vision=meta.get("vision"),
        context_length=meta.get("context_length"),
        max_output_tokens=meta.get("max_tokens"),
        enabled=given.get("enabled"),
    )


def _described(model: RegisteredModel) -> dict[str, Any]:
    return {
        "id": model.public_id,
        "name": model.name,
        "provider": model.provider.name,
        "provider_enabled": model.provider.enabled,
        "upstream_id": model.upstream_id,
        "enabled": model.enabled,
        "available": model.available,
        "reason": model.reason,
        "meta": {
            "vision": model.vision,
            "max_tokens": model.max_output_tokens,
            "context_length": model.context_length,
            "description": model.description,
        },
        "temperature": model.temperature,
        "max_tokens": model.max_tokens,
        "timeout": model.timeout,
    }
