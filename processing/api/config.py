"""`GET /api/v2/config`: what clients need to know of the configuration before they send a document."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from processing.api.permissions import PublicEndpoint
from processing.runtime import configuration
from processing.runtime.capacity import effective_max_concurrent
from processing.runtime.parameters import (
    BYTES_PER_MB,
    MAX_PROMPT_LENGTH,
    MAX_TEMPERATURE,
    MAX_TOKENS,
    MIN_PROMPT_LENGTH,
    Parameters,
)


class FeaturesSerializer(serializers.Serializer[dict[str, Any]]):
    """What the service does."""

    vision = serializers.BooleanField(help_text="Pages are shown to models that can see.")
    multimodal = serializers.BooleanField(help_text="Text and pictures go into one question.")
    background_processing = serializers.BooleanField()
    queue_management = serializers.BooleanField()
    memory_management = serializers.BooleanField()
    citations = serializers.BooleanField(help_text="Answers name the pages that they rest on.")


class RateLimitsSerializer(serializers.Serializer[dict[str, Any]]):
    """Calls that one caller may make."""

    per_minute = serializers.IntegerField()
    per_hour = serializers.IntegerField()
    per_day = serializers.IntegerField()
    uploads_per_minute = serializers.IntegerField(help_text="Calls that carry a file.")
    batch_files_per_minute = serializers.IntegerField(help_text="Files that come in batches.")
    status_per_minute = serializers.IntegerField(help_text="Looks at where tasks stand, which are no calls.")
    anonymous_per_minute = serializers.IntegerField(help_text="Calls from one address without a key.")


class LimitsSerializer(serializers.Serializer[dict[str, Any]]):
    """What a request may measure."""

    max_file_size_mb = serializers.FloatField()
    min_prompt_length = serializers.IntegerField()
    max_prompt_length = serializers.IntegerField()
    max_tokens = serializers.IntegerField()
    max_temperature = serializers.FloatField()


class DefaultParametersSerializer(serializers.Serializer[dict[str, Any]]):
    """What holds where neither a request nor the model's own settings say otherwise."""

    temperature = serializers.FloatField()
    max_tokens = serializers.IntegerField()
    timeout = serializers.IntegerField(help_text="Seconds.")
    vision_mode = serializers.CharField()


class ConfigSerializer(serializers.Serializer[dict[str, Any]]):
    """The configuration as clients see it."""

    enabled = serializers.BooleanField()
    max_file_size = serializers.IntegerField(help_text="Bytes.")
    max_concurrent = serializers.IntegerField()
    timeout = serializers.IntegerField(help_text="Seconds.")
    admin_model = serializers.CharField()
    supported_formats = serializers.ListField(
        child=serializers.CharField(), help_text="The formats that are taken, by name or by extension."
    )
    blocked_extensions = serializers.ListField(child=serializers.CharField())
    features = FeaturesSerializer()
    rate_limits = RateLimitsSerializer()
    limits = LimitsSerializer()
    default_parameters = DefaultParametersSerializer()


class ConfigViewSet(ViewSet):
    """What the service takes and does."""

    permission_classes = [PublicEndpoint]
    public_name = "config"

    @extend_schema(
        operation_id="config",
        summary="What the service takes and does",
        tags=["service"],
        responses=ConfigSerializer,
    )
    def list(self, _request: Request) -> Response:
        return Response(_body(configuration.current().parameters))


def _body(parameters: Parameters) -> dict[str, Any]:
    return {
        "enabled": parameters.enabled,
        "max_file_size": parameters.file_limit,
        "max_concurrent": effective_max_concurrent(parameters),
        "timeout": parameters.timeout,
        "admin_model": parameters.admin_model,
        "supported_formats": parameters.supported_formats,
        "blocked_extensions": parameters.blocked_extensions,
        "features": {
            "vision": parameters.enable_vision,
            "multimodal": parameters.enable_multimodal,
            "background_processing": True,
            "queue_management": True,
            "memory_management": parameters.memory_management.monitor_usage,
            "citations": True,
        },
        "rate_limits": parameters.rate_limits.model_dump(),
        "limits": {
            "max_file_size_mb": parameters.file_limit / BYTES_PER_MB,
            "min_prompt_length": MIN_PROMPT_LENGTH,
            "max_prompt_length": MAX_PROMPT_LENGTH,
            "max_tokens": MAX_TOKENS,
            "max_temperature": MAX_TEMPERATURE,
        },
        "default_parameters": {
            "temperature": parameters.temperature,
            "max_tokens": parameters.max_tokens,
            "timeout": parameters.timeout,
            "vision_mode": "auto",
        },
    }
