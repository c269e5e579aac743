"""`GET /api/v2/health`: for load balancers, monitors and people; no key, and no database on the way to the answer."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from processing.api.errors import ProblemSerializer
from processing.api.permissions import PublicEndpoint
from processing.errors import ServiceUnavailable
from processing.operations import health

HEALTH_STATES = ["healthy", "degraded", "unhealthy"]
SERVICE_STATES = ["healthy", "degraded", "unhealthy", "disabled"]


class ServicesSerializer(serializers.Serializer[dict[str, Any]]):
    """Each dependency, as it was just asked."""

    database = serializers.ChoiceField(SERVICE_STATES)
    storage = serializers.ChoiceField(SERVICE_STATES)
    models = serializers.ChoiceField(SERVICE_STATES)
    workers = serializers.ChoiceField(SERVICE_STATES)
    api_v2 = serializers.ChoiceField(SERVICE_STATES)


class MemoryUsageSerializer(serializers.Serializer[dict[str, Any]]):
    """The memory that the service may use: the machine's, or its container's."""

    used_percent = serializers.FloatField()
    available_mb = serializers.FloatField()
    total_mb = serializers.FloatField()


class HealthSerializer(serializers.Serializer[dict[str, Any]]):
    """How the service is."""

    status = serializers.ChoiceField(HEALTH_STATES)
    version = serializers.CharField()
    timestamp = serializers.FloatField(help_text="Unix seconds.")
    services = ServicesSerializer()
    details = serializers.DictField(
        child=serializers.CharField(), help_text="A sentence for each thing that is not healthy."
    )
    memory_usage = MemoryUsageSerializer()
    active_tasks = serializers.IntegerField(allow_null=True, help_text="null while the database does not answer.")
    queue_length = serializers.IntegerField(allow_null=True, help_text="null while the database does not answer.")
    max_concurrent = serializers.IntegerField()


class HealthViewSet(ViewSet):
    """How the service is."""

    authentication_classes = []
    permission_classes = [PublicEndpoint]
    throttle_classes = []  # however often a load balancer asks
    public_name = "health"

    @extend_schema(
        operation_id="health",
        summary="How the service is",
        description="200 while it serves (`healthy`, `degraded`), 503 while it does not. Answers within a second.",
        tags=["service"],
        responses={
            200: HealthSerializer,
            503: OpenApiResponse(HealthSerializer, description="No database, or switched off."),
        },
    )
    def list(self, _request: Request) -> Response:
        report = health.report()
        body = {
            "status": report.status,
            "version": report.version,
            "timestamp": report.timestamp,
            "services": report.services,
            "details": report.details,
            "memory_usage": asdict(report.memory),
            "active_tasks": report.active_tasks,
            "queue_length": report.queue_length,
            "max_concurrent": report.max_concurrent,
        }
        return Response(body, status=200 if report.is_serving else 503, headers={"Cache-Control": "no-store"})


class LivezViewSet(ViewSet):
    """`/livez`: this process answers, whatever it depends on. Who restarts what is dead asks here."""

    authentication_classes = []
    permission_classes = [PublicEndpoint]
    throttle_classes = []
    public_name = "health"

    @extend_schema(
        operation_id="livez",
        summary="Whether this process answers",
        description="Asks nothing of the database: a database that is away is no reason to restart the web server.",
        tags=["service"],
        responses=inline_serializer("Livez", {"status": serializers.CharField()}),
    )
    def list(self, _request: Request) -> Response:
        return Response({"status": "alive"}, headers={"Cache-Control": "no-store"})


class ReadyzViewSet(LivezViewSet):
    """`/readyz`: requests may be sent here. Who spreads them over several hosts asks here."""

    @extend_schema(
        operation_id="readyz",
        summary="Whether requests may be sent here",
        description="200 where `/api/v2/health` answers with 200, without its figures.",
        tags=["service"],
        responses={200: inline_serializer("Readyz", {"status": serializers.CharField()}), 503: ProblemSerializer},
    )
    def list(self, _request: Request) -> Response:
        """Raises `ServiceUnavailable` (`not_ready`)."""
        report = health.report()
        if not report.is_serving:
            why = [report.details[name] for name in ("database", "api_v2") if name in report.details]
            raise ServiceUnavailable(" ".join(why), "not_ready", retry_after=5)
        return Response({"status": "ready"}, headers={"Cache-Control": "no-store"})
