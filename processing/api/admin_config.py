"""`/admin/config` and `/api/v1/configs`: the whole configuration, for administrators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from processing.api.errors import ProblemSerializer
from processing.api.parsers import BoundedJSONParser
from processing.api.permissions import Administrator
from processing.errors import InvalidInput
from processing.operations import configuration
from processing.runtime.parameters import Parameters

NO_SUCH_SETTING = "There is no such setting."
NOT_AN_OBJECT = "This must be an object."
MAX_REASON_LENGTH = 500


def _inlined(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """A JSON schema with its references replaced by what they refer to, as an OpenAPI description needs it."""
    if isinstance(schema, list):
        return [_inlined(each, definitions) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(definitions[schema["$ref"].rsplit("/", 1)[-1]], definitions)
    return {name: _inlined(value, definitions) for name, value in schema.items() if name != "$defs"}


_whole = Parameters.model_json_schema()


@extend_schema_field(_inlined(_whole, _whole.get("$defs", {})))
class ParametersField(serializers.JSONField):
    """The parameters; their schema is made from the fields of the type itself."""


class ConfigurationSerializer(serializers.Serializer[dict[str, Any]]):
    """The configuration in force."""

    api_v2 = ParametersField()
    sources = serializers.DictField(
        child=serializers.CharField(),
        help_text="Where each value comes from: `default`, `environment:<VARIABLE>`, `stored` or `registry`.",
    )
    revision = serializers.IntegerField(help_text="Rises with every change; 0: nothing was ever changed.")


class ChangeSerializer(serializers.Serializer[dict[str, Any]]):
    """Some settings to change; null resets one."""

    api_v2 = ParametersField(required=False)
    model_configs = serializers.DictField(required=False, help_text="The same as `model_configs` within `api_v2`.")
    reason = serializers.CharField(required=False, allow_blank=True, max_length=MAX_REASON_LENGTH)


class ConfigurationViewSet(ViewSet):
    """The configuration, shown and changed."""

    parser_classes = [BoundedJSONParser]
    permission_classes = [Administrator]
    permission_required = {
        "GET": "processing.view_configurationrevision",
        "POST": "processing.add_configurationrevision",
    }

    @extend_schema(
        operation_id="configuration",
        summary="The configuration in force",
        tags=["administration"],
        responses={200: ConfigurationSerializer, "4XX": ProblemSerializer},
    )
    def list(self, _request: Request) -> Response:
        return Response(configuration.document())

    @extend_schema(
        operation_id="change_configuration",
        summary="Change some settings, all of them or none",
        description="The change holds in every process within 2 seconds. `null` resets a setting to its default.",
        tags=["administration"],
        request=ChangeSerializer,
        responses={200: ConfigurationSerializer, "4XX": ProblemSerializer},
    )
    def create(self, request: Request) -> Response:
        partial, reason = _change(request.data)
        configuration.change(partial, author=request.user, reason=reason)  # type: ignore[arg-type]  # not anonymous
        return Response(configuration.document())


class ConfigsViewSet(ViewSet):
    """The configuration as one JSON document, to be kept with a backup."""

    permission_classes = [Administrator]
    permission_required = {"GET": "processing.view_configurationrevision"}

    @extend_schema(
        operation_id="configs",
        summary="The whole configuration, without secrets",
        tags=["administration"],
        responses={200: ConfigurationSerializer, "4XX": ProblemSerializer},
    )
    def list(self, _request: Request) -> Response:
        return Response(configuration.document())


def _change(body: Any) -> tuple[dict[str, Any], str]:
    """What a request asks to change, with `model_configs` in its place, and why. Raises `InvalidInput`."""
    if not isinstance(body, Mapping):
        raise _invalid({"body": [NOT_AN_OBJECT]})
    unknown = {str(name): [NO_SUCH_SETTING] for name in body if name not in ("api_v2", "model_configs", "reason")}
    if unknown:
        raise _invalid(unknown)
    partial = body.get("api_v2", {})
    if not isinstance(partial, Mapping):
        raise _invalid({"api_v2": [NOT_AN_OBJECT]})
    if "model_configs" not in body:
        return dict(partial), _reason(body)
    if "model_configs" in partial:
        raise _invalid({"model_configs": ["This is given twice: within api_v2 and beside it."]})
    return {**partial, "model_configs": body["model_configs"]}, _reason(body)


def _reason(body: Mapping[str, Any]) -> str:
    reason = body.get("reason", "")
    if not isinstance(reason, str) or len(reason) > MAX_REASON_LENGTH or not _is_storable(reason):
        raise _invalid({"reason": [f"This must be a text of at most {MAX_REASON_LENGTH} characters."]})
    return reason


def _is_storable(text: str) -> bool:
    """Databases refuse a null character and half of a surrogate pair."""
    return not any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in text)


def _invalid(errors: dict[str, list[str]]) -> InvalidInput:
    return InvalidInput(
        "The configuration was not changed: the request is not valid.", "invalid_parameter", errors=errors
    )
