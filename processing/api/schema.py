"""What the OpenAPI description says beside what DRF tells it."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import is_list_serializer

from processing.api.permissions import PublicEndpoint

_HEADERS = {
    "X-RateLimit-Limit": ("integer", "How much the tightest of the limits that the call fell under allows."),
    "X-RateLimit-Remaining": ("integer", "How much of it is left."),
    "X-RateLimit-Reset": ("integer", "When it is renewed, in Unix seconds."),
    "X-RateLimit-Window": ("integer", "For how many seconds it is."),
    "RateLimit-Policy": ("string", "All limits that the call fell under (draft-ietf-httpapi-ratelimit-headers)."),
    "RateLimit": ("string", "How the tightest of them stands (the same)."),
}
_UNLIMITED = ("/api/v2/health", "/health", "/ready", "/livez", "/readyz")


class MadeOnce(SchemaGenerator):
    """The description is the same for everybody, and takes long to make: each process makes it once."""

    _made: ClassVar[dict[str, Any] | None] = None

    def get_schema(self, request: Any = None, public: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002
        """The whole description."""
        if MadeOnce._made is None:
            MadeOnce._made = super().get_schema(request=request, public=public)  # type: ignore[no-untyped-call]
        return MadeOnce._made


class Described(AutoSchema):
    """A view that answers with one object says so, whatever its action is called; what needs no key says so, too."""

    def _is_list_view(self, serializer: Any = None) -> bool:
        said = self.get_response_serializers() if serializer is None else serializer
        if isinstance(said, dict) and said:
            said = said[min(said, key=str)]
        return bool(is_list_serializer(said))

    def get_operation_id(self) -> str:
        name: str = super().get_operation_id()
        is_list = getattr(self.view, "action", "") == "list"
        return name.removesuffix("_retrieve") + "_list" if is_list and name.endswith("_retrieve") else name

    def get_auth(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = super().get_auth()
        is_open = any(isinstance(each, PublicEndpoint) for each in self.view.get_permissions())
        return [*found, *([{}] if is_open and {} not in found else [])]


def with_rate_limits(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Every operation but the unlimited ones may be refused, and every reply of theirs says how the limits stand."""
    result["components"]["headers"] = {
        name: {"schema": {"type": kind}, "description": words} for name, (kind, words) in _HEADERS.items()
    }
    named = {name: {"$ref": f"#/components/headers/{name}"} for name in _HEADERS}
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path, item in result["paths"].items():
        for operation in item.values() if path.rstrip("/") not in _UNLIMITED else ():
            responses = operation["responses"]
            if "4XX" not in responses:
                responses.setdefault("429", {"content": problem, "description": "Too many requests."})
            for response in responses.values():
                response["headers"] = {**named, **response.get("headers", {})}
    return result


def errors_are_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Errors have a media type of their own, which no view says by itself. Those of the server's own may come from
    everywhere."""
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for item in result["paths"].values():
        for operation in item.values():
            responses = operation["responses"]
            for status in ("4XX", "5XX"):
                responses.setdefault(status, {"content": problem, "description": "Refused, or failed."})
            for status, response in responses.items():
                schema = response.get("content", {}).get("application/json", {}).get("schema", {})
                if status[0] in "45" and schema.get("$ref", "").endswith("/Problem"):
                    response["content"] = problem
    return result


def without_trailing_slashes(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Show paths as they are documented. With a slash at the end they work, too."""
    result["paths"] = {path.rstrip("/"): item for path, item in result["paths"].items()}
    return result
