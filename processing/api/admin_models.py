"""`/admin/models` and `/api/v1/models`: the registry of models, for administrators."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.core.exceptions import PermissionDenied
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from modelsregistry import registration
from modelsregistry.models import RegisteredModel
from modelsregistry.registration import Registration
from processing.access import model_access
from processing.api.actors import actor
from processing.api.errors import ProblemSerializer
from processing.api.model_fields import (
    ModelChangeSerializer,
    RegisteredModelSerializer,
    RegistrationSerializer,
    RegistrySerializer,
)
from processing.api.parsers import BoundedJSONParser
from processing.api.permissions import Administrator
from processing.errors import InvalidInput, NotFound
from processing.operations import registry_changes

_PROBLEMS = {"4XX": ProblemSerializer}


@extend_schema_view(
    list=extend_schema(
        summary="Every model of the registry",
        tags=["administration"],
        responses={200: RegistrySerializer, **_PROBLEMS},
    ),
    create=extend_schema(
        summary="Register a model, or change one",
        description="201 if the model is new, 200 if it was there.",
        tags=["administration"],
        request=RegistrationSerializer,
        responses={200: RegisteredModelSerializer, 201: RegisteredModelSerializer, **_PROBLEMS},
    ),
)
class RegistryViewSet(ViewSet):
    """The registry as a whole."""

    parser_classes = [BoundedJSONParser]
    permission_classes = [Administrator]
    permission_required = {
        "GET": "modelsregistry.view_registeredmodel",
        "POST": "modelsregistry.add_registeredmodel",
        "PATCH": "modelsregistry.change_registeredmodel",
        "DELETE": "modelsregistry.delete_registeredmodel",
    }

    def list(self, _request: Request) -> Response:
        return Response({"models": [_described(model) for model in registration.registered()]})

    def create(self, request: Request) -> Response:
        body = RegistrationSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        wanted = _wanted(body.validated_data["id"], body.validated_data)
        if registration.find(wanted.id) and not request.user.has_perm("modelsregistry.change_registeredmodel"):
            raise PermissionDenied
        model, is_new = registry_changes.register(wanted, actor(request))
        return Response(_described(model), status=201 if is_new else 200)


@extend_schema_view(
    retrieve=extend_schema(
        summary="One model of the registry",
        tags=["administration"],
        responses={200: RegisteredModelSerializer, **_PROBLEMS},
    ),
    partial_update=extend_schema(
        summary="Change a model",
        description="What is left out stays as it is; null takes away what a model can be without.",
        tags=["administration"],
        request=ModelChangeSerializer,
        responses={200: RegisteredModelSerializer, **_PROBLEMS},
    ),
    destroy=extend_schema(
        summary="Delete a model",
        description="A model that comes from the environment can only be switched off.",
        tags=["administration"],
        responses={204: None, **_PROBLEMS},
    ),
)
class RegisteredModelViewSet(RegistryViewSet):
    """The registry, and each of its models by its id, which may hold slashes."""

    lookup_field = "id"
    lookup_value_regex = ".+?"

    def retrieve(self, _request: Request, id: str) -> Response:
        model = registration.find(id)
        if model is None:
            raise _not_found()
        return Response(_described(model))

    def partial_update(self, request: Request, id: str) -> Response:
        body = ModelChangeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        model = registry_changes.change(_wanted(id, body.validated_data), actor(request))
        if model is None:
            raise _not_found()
        return Response(_described(model))

    def destroy(self, request: Request, id: str) -> Response:
        keys = model_access.limited_to_alone(id)
        if keys:
            raise InvalidInput(
                f"These API keys are limited to this model alone, and would be revoked with it: {', '.join(keys)}. "
                "Revoke them, or change what they may use.",
                "model_limits_keys",
            )
        if not registry_changes.remove(id, actor(request)):
            raise _not_found()
        return Response(status=204)


def _not_found() -> NotFound:
    return NotFound("There is no such model.", "model_not_found")


def _wanted(model_id: str, given: dict[str, Any]) -> Registration:
    """What a request says, its parts `meta` and `prices` laid flat."""
    meta, prices = given.get("meta", {}), given.get("prices", {})
    flat = {
        **{name: value for name, value in given.items() if name not in ("id", "meta", "prices")},
        **{_META.get(name, name): value for name, value in meta.items()},
        **{f"{name}_price": value for name, value in prices.items()},
    }
    lists = {name: tuple(value) for name, value in flat.items() if isinstance(value, list)}
    return Registration(id=model_id, **{**flat, **lists})


# What the contract calls otherwise than the registry.
_META = {"max_tokens": "max_output_tokens"}


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
            "native_pdf": model.native_pdf,
            "structured_output": model.structured_output,
            "max_tokens": model.max_output_tokens,
            "context_length": model.context_length,
            "description": model.description,
        },
        "temperature": model.temperature,
        "max_tokens": model.max_tokens,
        "timeout": model.timeout,
        "refused_fields": model.refused_fields,
        "prices": {
            "input": _number(model.input_price),
            "cached_input": _number(model.cached_input_price),
            "output": _number(model.output_price),
        },
        "fallbacks": model.fallbacks,
        "limited": model.is_limited,
        "allowed_users": sorted(user.username for user in model.allowed_users.all()),
        "allowed_groups": sorted(group.name for group in model.allowed_groups.all()),
    }


def _number(price: Decimal | None) -> float | None:
    return None if price is None else float(price)
