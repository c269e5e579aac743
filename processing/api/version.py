"""`GET /api/version`."""

from __future__ import annotations

from django.conf import settings
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet


class VersionViewSet(ViewSet):
    """Which version of the service answers."""

    authentication_classes = []
    permission_classes = [AllowAny]

    @extend_schema(
        operation_id="version",
        summary="The version of the service",
        tags=["service"],
        responses=inline_serializer("Version", {"version": serializers.CharField()}),
    )
    def list(self, _request: Request) -> Response:
        return Response({"version": settings.API_V2_VERSION})
