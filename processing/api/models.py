"""`GET /api/v2/models`: which models a client may name."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from modelsregistry import registry
from modelsregistry.errors import ModelError
from modelsregistry.registry import Asker, ModelEntry
from processing.access import model_access
from processing.access.models import ApiKey
from processing.api.permissions import PublicEndpoint
from processing.runtime import configuration
from processing.runtime.configuration import InForce
from processing.runtime.model_settings import effective
from processing.runtime.parameters import Parameters

CAPABILITIES = ["text", "vision"]


class ModelMetaSerializer(serializers.Serializer[dict[str, Any]]):
    """What is known of a model."""

    description = serializers.CharField(allow_blank=True)
    max_tokens = serializers.IntegerField(help_text="Tokens that an answer may have.")
    context_length = serializers.IntegerField(allow_null=True, help_text="Tokens; null: not known.")
    vision = serializers.BooleanField()


class ModelSerializer(serializers.Serializer[dict[str, Any]]):
    """One model."""

    id = serializers.CharField(help_text="What `model` of a request names.")
    name = serializers.CharField()
    provider = serializers.CharField()
    meta = ModelMetaSerializer()
    capabilities = serializers.ListField(child=serializers.ChoiceField(CAPABILITIES))
    vision_capable = serializers.BooleanField()
    available = serializers.BooleanField()
    reason = serializers.CharField(allow_blank=True, help_text="Why it is not available.")


class ModelConfigSerializer(serializers.Serializer[dict[str, Any]]):
    """What one model is asked with, where a request does not say otherwise."""

    temperature = serializers.FloatField()
    max_tokens = serializers.IntegerField()
    timeout = serializers.FloatField(help_text="Seconds.")
    vision_capable = serializers.BooleanField()
    capabilities = serializers.ListField(child=serializers.ChoiceField(CAPABILITIES))


class ModelsSerializer(serializers.Serializer[dict[str, Any]]):
    """All models."""

    models = ModelSerializer(many=True)
    default_model = serializers.CharField(help_text="The model that answers where a request names none.")
    vision_models = serializers.ListField(child=serializers.CharField(), help_text="Available models that can see.")
    model_configs = serializers.DictField(child=ModelConfigSerializer())


class ModelViewSet(ViewSet):
    """Which models there are."""

    permission_classes = [PublicEndpoint]
    public_name = "models"

    @extend_schema(
        operation_id="models", summary="Which models there are", tags=["service"], responses=ModelsSerializer
    )
    def list(self, request: Request) -> Response:
        """The models that the caller may use; without a key, those that are open to everybody."""
        in_force, whose = configuration.current(), _asker(request)
        entries = registry.catalogue(whose)
        return Response(
            {
                "models": [described(entry, in_force.parameters) for entry in entries],
                "default_model": _default(in_force, whose),
                "vision_models": [entry.id for entry in entries if entry.vision and entry.available],
                "model_configs": {entry.id: _configured(entry, in_force.parameters) for entry in entries},
            }
        )


def described(entry: ModelEntry, parameters: Parameters) -> dict[str, Any]:
    """One model as clients see it."""
    return {
        "id": entry.id,
        "name": entry.name,
        "provider": entry.provider,
        "meta": {
            "description": entry.description,
            "max_tokens": effective(entry, parameters).max_tokens,
            "context_length": entry.context_length,
            "vision": entry.vision,
        },
        "capabilities": _capabilities(entry),
        "vision_capable": entry.vision,
        "available": entry.available,
        "reason": entry.reason,
    }


def _configured(entry: ModelEntry, parameters: Parameters) -> dict[str, Any]:
    settings = effective(entry, parameters)
    return {
        "temperature": settings.temperature,
        "max_tokens": settings.max_tokens,
        "timeout": settings.timeout,
        "vision_capable": entry.vision,
        "capabilities": _capabilities(entry),
    }


def _capabilities(entry: ModelEntry) -> list[str]:
    return CAPABILITIES if entry.vision else CAPABILITIES[:1]


def _asker(request: Request) -> Asker:
    if not isinstance(request.user, User):
        return registry.ANYBODY
    return model_access.asker(request.user.pk, request.auth if isinstance(request.auth, ApiKey) else None)


def _default(in_force: InForce, whose: Asker) -> str:
    """The model that answers by default; if none can, the name that the configuration wants, which `models` lacks."""
    wanted = in_force.parameters.admin_model
    try:
        return registry.default_model(wanted, chosen=in_force.was_set("admin_model"), asker=whose).id
    except ModelError:
        return wanted
