"""`/api/v2/webhooks`: where the caller wants to be told of events, and what the messages are signed with."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from processing.access.models import ApiKey
from processing.api.actors import actor
from processing.api.authentication import caller
from processing.api.auths import NOT_KEPT
from processing.api.errors import ProblemSerializer
from processing.api.strict import StrictSerializer
from processing.delivery.webhooks import endpoints, messages, targets
from processing.delivery.webhooks.endpoints import Caller, Wish
from processing.delivery.webhooks.models import State, WebhookDelivery, WebhookEndpoint
from processing.errors import NotFound

_SHOWN = 100  # deliveries
_ERRORS = {"4XX": ProblemSerializer}


class WebhookRequestSerializer(StrictSerializer):
    """A receiver to be registered."""

    url = serializers.CharField(
        max_length=targets.MAX_LENGTH, help_text="`http` or `https`; port 80, 443 or from 1024."
    )
    events = serializers.ListField(
        child=serializers.ChoiceField(messages.EVENTS), required=False, help_text="What to be told of; empty: all."
    )
    description = serializers.CharField(required=False, allow_blank=True, max_length=200)
    api_key = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=2**63 - 1,
        help_text="The id of one of the caller's keys: only what is done with it is told. Without it, all that the "
        "caller does; for a caller with a key, what is done with this key.",
    )


class SecretRotationSerializer(StrictSerializer):
    """How a secret is replaced."""

    overlap = serializers.FloatField(
        required=False,
        min_value=0,
        max_value=endpoints.MAX_OVERLAP.total_seconds(),
        help_text="Seconds that messages are signed with the former secret too; by default a day.",
    )


class WebhookSerializer(serializers.Serializer[Any]):
    """A registered receiver. Times are Unix seconds."""

    id = serializers.UUIDField()
    url = serializers.CharField()
    events = serializers.ListField(child=serializers.ChoiceField(messages.EVENTS))
    description = serializers.CharField()
    api_key = serializers.IntegerField(allow_null=True)
    enabled = serializers.BooleanField()
    disabled_because = serializers.CharField(
        allow_null=True, help_text="`gone` (it answered 410), `failing` (for days) or `administrator`."
    )
    created_at = serializers.FloatField()
    delivered_at = serializers.FloatField(allow_null=True, help_text="When it last took a message.")
    failing_since = serializers.FloatField(allow_null=True)
    previous_until = serializers.FloatField(
        allow_null=True, help_text="Until when the former secret signs too; null: it does not."
    )


class RegisteredSerializer(WebhookSerializer):
    """A receiver with its secret, which is shown here and never again."""

    secret = serializers.CharField(help_text="`whsec_` and base64.")


class SecretSerializer(serializers.Serializer[Any]):
    """A new secret, which is shown here and never again."""

    secret = serializers.CharField(help_text="`whsec_` and base64.")


class WebhookListSerializer(serializers.Serializer[Any]):
    """The caller's receivers, newest first."""

    webhooks = WebhookSerializer(many=True)


class DeliverySerializer(serializers.Serializer[Any]):
    """A message to a receiver. Times are Unix seconds."""

    id = serializers.CharField(help_text="The header `webhook-id`, the same at every try.")
    type = serializers.CharField()
    task_id = serializers.UUIDField(allow_null=True)
    state = serializers.ChoiceField(choices=State.choices)
    tries = serializers.IntegerField()
    last_status = serializers.IntegerField(allow_null=True, help_text="What the receiver last answered with.")
    last_error = serializers.CharField(
        allow_null=True,
        help_text="Why it did not answer: `timeout`, `not_reached`, `tls_failed`, `broken_answer`, "
        "`address_not_allowed`, `secret_unreadable` or `failed`.",
    )
    created_at = serializers.FloatField()
    tried_at = serializers.FloatField(allow_null=True)
    next_at = serializers.FloatField(allow_null=True, help_text="When it is tried next; null: not again.")


class DeliveryListSerializer(serializers.Serializer[Any]):
    """The latest messages to a receiver, newest first, at most a hundred."""

    deliveries = DeliverySerializer(many=True)


class WebhookViewSet(ViewSet):
    """The caller's receivers: with an API key, those of this key."""

    lookup_url_kwarg = "webhook_id"
    lookup_value_regex = "[0-9a-fA-F-]{36}"

    @extend_schema(
        operation_id="webhooks", summary="List the caller's webhooks", responses={200: WebhookListSerializer, **_ERRORS}
    )
    def list(self, request: Request) -> Response:
        return Response({"webhooks": [_shown(each) for each in endpoints.of(_caller(request))]})

    @extend_schema(
        operation_id="register_webhook",
        summary="Register a webhook",
        description="Events are sent to its URL, signed as Standard Webhooks has it. The secret is in this answer and "
        "nowhere else.",
        request=WebhookRequestSerializer,
        responses={201: RegisteredSerializer, **_ERRORS},
    )
    def create(self, request: Request) -> Response:
        asked = _checked(WebhookRequestSerializer, request)
        wish = Wish(asked["url"], tuple(asked.get("events", ())), asked.get("description", ""), asked.get("api_key"))
        endpoint, secret = endpoints.register(_caller(request), wish, actor(request))
        return Response({"secret": secret, **_shown(endpoint)}, status=201, headers=NOT_KEPT)

    @extend_schema(operation_id="webhook", summary="Read a webhook", responses={200: WebhookSerializer, **_ERRORS})
    def retrieve(self, request: Request, webhook_id: str) -> Response:
        return Response(_shown(_own(request, webhook_id)))

    @extend_schema(
        operation_id="delete_webhook",
        summary="Delete a webhook, and what was still to be sent to it",
        responses={204: None, **_ERRORS},
    )
    def destroy(self, request: Request, webhook_id: str) -> Response:
        endpoints.remove(_own(request, webhook_id), actor(request))
        return Response(status=204)

    @extend_schema(
        operation_id="rotate_webhook_secret",
        summary="Give a webhook a new secret",
        description="For a while messages carry two signatures, of the new and of the former secret.",
        request=SecretRotationSerializer,
        responses={200: RegisteredSerializer, **_ERRORS},
    )
    @action(detail=True, methods=["post"])
    def rotate(self, request: Request, webhook_id: str) -> Response:
        """The secret is in this answer and nowhere else."""
        endpoint = _own(request, webhook_id)
        secret = endpoints.rotate(endpoint, _overlap(request), actor(request))
        return Response({"secret": secret, **_shown(endpoint)}, headers=NOT_KEPT)

    @extend_schema(
        operation_id="test_webhook",
        summary="Send a message of type `webhook.test`",
        description="It is tried once; what became of it is among the webhook's deliveries.",
        request=None,
        responses={202: DeliverySerializer, **_ERRORS},
    )
    @action(detail=True, methods=["post"])
    def test(self, request: Request, webhook_id: str) -> Response:
        delivery = endpoints.ping(_own(request, webhook_id))
        delivery.refresh_from_db()
        return Response(_told(delivery), status=202)

    @extend_schema(
        operation_id="enable_webhook",
        summary="Switch a disabled webhook on again",
        request=None,
        responses={200: WebhookSerializer, **_ERRORS},
    )
    @action(detail=True, methods=["post"])
    def enable(self, request: Request, webhook_id: str) -> Response:
        """It is told of what happens from now on. What an administrator disabled, an administrator enables."""
        endpoint = _own(request, webhook_id)
        endpoints.enable_own(endpoint, actor(request))
        return Response(_shown(_own(request, webhook_id)))

    @extend_schema(
        operation_id="webhook_deliveries",
        summary="Read what was sent to a webhook, and what became of it",
        responses={200: DeliveryListSerializer, **_ERRORS},
    )
    @action(detail=True, methods=["get"])
    def deliveries(self, request: Request, webhook_id: str) -> Response:
        sent = _own(request, webhook_id).deliveries.select_related("task").defer("body", "task__result")
        return Response({"deliveries": [_told(each) for each in sent[:_SHOWN]]})

    @extend_schema(
        operation_id="rotate_signing_secret",
        summary="Make the secret that signs messages to a task's `webhook_url`",
        description="For URLs that are not registered. Each API key has one, and so has a user without a key. Where "
        "there was one, it signs beside the new one for a while.",
        request=SecretRotationSerializer,
        responses={200: SecretSerializer, **_ERRORS},
    )
    @action(detail=False, methods=["post"])
    def signing_secret(self, request: Request) -> Response:
        """The secret is in this answer and nowhere else."""
        secret = endpoints.rotate_signing_secret(_caller(request), _overlap(request), actor(request))
        return Response({"secret": secret}, headers=NOT_KEPT)


def _caller(request: Request) -> Caller:
    return Caller(caller(request).pk, request.auth.pk if isinstance(request.auth, ApiKey) else None)


def _own(request: Request, webhook_id: str) -> WebhookEndpoint:
    try:
        wanted = uuid.UUID(webhook_id)
    except ValueError:
        raise NotFound("There is no such webhook.", "webhook_not_found") from None
    return endpoints.get(_caller(request), wanted)


def _overlap(request: Request) -> timedelta:
    seconds = _checked(SecretRotationSerializer, request).get("overlap")
    if seconds is not None and seconds != seconds:  # NaN passes every comparison
        raise serializers.ValidationError({"overlap": ["A valid number is required."]}, "invalid")
    return endpoints.OVERLAP if seconds is None else timedelta(seconds=seconds)


def _checked(serializer: type[StrictSerializer], request: Request) -> dict[str, Any]:
    asked = serializer(data=request.data)
    asked.is_valid(raise_exception=True)
    return dict(asked.validated_data)


def _shown(endpoint: WebhookEndpoint) -> dict[str, Any]:
    return {
        "id": str(endpoint.pk),
        "url": endpoint.url,
        "events": endpoint.events,
        "description": endpoint.description,
        "api_key": endpoint.api_key_id,
        "enabled": endpoint.disabled_at is None,
        "disabled_because": endpoint.disabled_because or None,
        "created_at": endpoint.created_at.timestamp(),
        "delivered_at": _seconds(endpoint.delivered_at),
        "failing_since": _seconds(endpoint.failing_since),
        "previous_until": _seconds(endpoint.previous_until),
    }


def _told(delivery: WebhookDelivery) -> dict[str, Any]:
    return {
        "id": str(delivery),
        "type": delivery.type,
        "task_id": None if delivery.task is None else str(delivery.task.id),
        "state": delivery.state,
        "tries": delivery.tries,
        "last_status": delivery.last_status,
        "last_error": delivery.last_error or None,
        "created_at": delivery.created_at.timestamp(),
        "tried_at": _seconds(delivery.tried_at),
        "next_at": delivery.next_at.timestamp() if delivery.state == State.PENDING else None,
    }


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
