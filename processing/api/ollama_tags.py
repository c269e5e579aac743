"""`GET /ollama/api/tags`: what the Ollama servers behind this service have pulled."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from modelsregistry import tags
from modelsregistry.errors import ModelError
from processing.api.errors import ProblemSerializer
from processing.api.permissions import PublicEndpoint
from processing.errors import ModelFailed


class TagSerializer(serializers.Serializer[dict[str, Any]]):
    """A model as Ollama lists it."""

    name = serializers.CharField()
    model = serializers.CharField(required=False)
    modified_at = serializers.CharField(required=False)
    size = serializers.IntegerField(required=False, help_text="Bytes.")
    digest = serializers.CharField(required=False)
    details = serializers.DictField(required=False)


class TagsSerializer(serializers.Serializer[dict[str, Any]]):
    """The list, in Ollama's own shape."""

    models = TagSerializer(many=True)


class OllamaTagViewSet(ViewSet):
    """What there is at Ollama."""

    permission_classes = [PublicEndpoint]
    public_name = "models"

    @extend_schema(
        operation_id="ollama_tags",
        summary="What the Ollama servers have pulled",
        description="Empty where no provider speaks Ollama's dialect. The answer may be 5 seconds old.",
        tags=["service"],
        responses={200: TagsSerializer, "4XX": ProblemSerializer, "5XX": ProblemSerializer},
    )
    def list(self, _request: Request) -> Response:
        try:
            return Response({"models": list(tags.all_tags())})
        except ModelError as error:  # Here it is not the request that asked for what cannot be.
            raise ModelFailed(error.detail, error.code) from error
