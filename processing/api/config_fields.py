"""The bodies of the configuration's endpoints, and what their headers say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from processing.api.actors import actor
from processing.api.errors import ProblemSerializer
from processing.errors import InvalidInput
from processing.operations.configuration import MAX_REASON_LENGTH, Terms
from processing.runtime.models import ConfigurationRevision
from processing.runtime.overrides import Difference
from processing.runtime.parameters import Parameters

NO_SUCH_SETTING = "There is no such setting."
NOT_AN_OBJECT = "This must be an object."

_ETAG = re.compile(r'(?:W/)?"(?P<quoted>[0-9]{1,18})"|(?P<bare>[0-9]{1,18})')


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
    revision = serializers.IntegerField(
        help_text="Rises with every change; 0: nothing was ever changed. The `ETag` is the same number."
    )


class ChangeSerializer(serializers.Serializer[dict[str, Any]]):
    """Some settings to change; null resets one."""

    api_v2 = ParametersField(required=False)
    model_configs = serializers.DictField(required=False, help_text="The same as `model_configs` within `api_v2`.")
    reason = serializers.CharField(required=False, allow_blank=True, max_length=MAX_REASON_LENGTH)


class DifferenceSerializer(serializers.Serializer[Any]):
    """A setting that was changed."""

    setting = serializers.CharField(help_text="Dotted, such as `rate_limits.per_minute`.")
    old = serializers.JSONField(allow_null=True, help_text="null: its default held.")
    new = serializers.JSONField(allow_null=True, help_text="null: its default holds.")


class RevisionSerializer(serializers.Serializer[Any]):
    """One change of the configuration."""

    revision = serializers.IntegerField()
    author = serializers.CharField(allow_null=True, help_text="null: a command, or somebody who is deleted.")
    reason = serializers.CharField()
    created_at = serializers.FloatField(help_text="Unix seconds.")
    changes = DifferenceSerializer(many=True)


class WholeRevisionSerializer(RevisionSerializer):
    """One change of the configuration, and what was stored once it was made."""

    api_v2 = serializers.DictField(help_text="All that differed from the defaults.")
    not_understood = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()),
        help_text="Sentences on the settings that this version of the service does not take, by setting.",
    )


class RestoreSerializer(serializers.Serializer[dict[str, Any]]):
    """How to go back."""

    reason = serializers.CharField(required=False, allow_blank=True, max_length=MAX_REASON_LENGTH, default="")
    skip_invalid = serializers.BooleanField(
        required=False, default=False, help_text="Leave out what this version of the service does not understand."
    )


class ExportSerializer(serializers.Serializer[dict[str, Any]]):
    """What administrators set, to be kept or moved."""

    version = serializers.CharField(required=False)
    revision = serializers.IntegerField(required=False)
    exported_at = serializers.FloatField(required=False, help_text="Unix seconds.")
    api_v2 = serializers.DictField()


class ImportedSerializer(ConfigurationSerializer):
    """The configuration in force after an import, and what the import changed, or would change."""

    dry_run = serializers.BooleanField()
    changes = DifferenceSerializer(many=True)


IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description="The `ETag` that was read. Where the configuration was changed since, nothing is changed: 412.",
)
CHANGE_PROBLEMS = {
    412: OpenApiResponse(ProblemSerializer, description="`revision_mismatch`: it was changed meanwhile."),
    "4XX": ProblemSerializer,
    503: OpenApiResponse(ProblemSerializer, description="`configuration_busy`: too many changes at the same time."),
}


def terms(request: Request, reason: str) -> Terms:
    """Who changes something, why, and after which revision. Raises `InvalidInput` (`revision_mismatch`)."""
    return Terms(actor(request), reason, expected_revision(request))


def expected_revision(request: Request) -> int | None:
    """The revision that `If-Match` names, None for any. A tag that no revision has matches none.

    A proxy that compresses makes `W/"7"` of `"7"`, which means the same revision.
    """
    header = request.headers.get("If-Match", "*").strip()
    if header == "*":
        return None
    found = _ETAG.fullmatch(header)
    if found is None:
        raise InvalidInput('If-Match takes one ETag of the configuration, such as "7".', "revision_mismatch")
    return int(found["quoted"] or found["bare"])


def headers(revision: int) -> dict[str, str]:
    """What a reply with the configuration says beside its body."""
    return {"ETag": f'"{revision}"', "Cache-Control": "no-store"}


def shown_differences(found: Iterable[Difference]) -> list[dict[str, Any]]:
    """As `DifferenceSerializer` describes it."""
    return [{"setting": each.key, "old": each.old, "new": each.new} for each in found]


def shown_revision(revision: ConfigurationRevision, found: Iterable[Difference]) -> dict[str, Any]:
    """As `RevisionSerializer` describes it."""
    return {
        "revision": revision.pk,
        "author": revision.author.get_username() if revision.author else None,
        "reason": revision.reason,
        "created_at": revision.created_at.timestamp(),
        "changes": shown_differences(found),
    }


def change_of(body: Any) -> tuple[dict[str, Any], str]:
    """What a request asks to change, with what stands beside `api_v2` in its place, and why. Raises `InvalidInput`."""
    if not isinstance(body, Mapping):
        raise invalid({"body": [NOT_AN_OBJECT]})
    beside = {name: value for name, value in body.items() if name not in ("api_v2", "reason")}
    unknown = {str(name): [NO_SUCH_SETTING] for name in beside if name not in Parameters.model_fields}
    if unknown:
        raise invalid(unknown)
    partial = body.get("api_v2", {})
    if not isinstance(partial, Mapping):
        raise invalid({"api_v2": [NOT_AN_OBJECT]})
    twice = {name: ["This is given twice: within api_v2 and beside it."] for name in beside if name in partial}
    if twice:
        raise invalid(twice)
    return {**partial, **beside}, reason_of(body)


def reason_of(body: Mapping[str, Any]) -> str:
    """Raises `InvalidInput` for what is no text; what text is too long, the operation says."""
    reason = body.get("reason", "")
    if not isinstance(reason, str):
        raise invalid({"reason": [f"This must be a text of at most {MAX_REASON_LENGTH} characters."]})
    return reason


def invalid(errors: dict[str, list[str]]) -> InvalidInput:
    """The refusal of a request as a whole."""
    return InvalidInput(
        "The configuration was not changed: the request is not valid.", "invalid_parameter", errors=errors
    )
