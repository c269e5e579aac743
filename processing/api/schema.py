"""What the OpenAPI description says beside what DRF tells it."""

from __future__ import annotations

from typing import Any

_HEADERS = {
    "X-RateLimit-Limit": ("integer", "How much the tightest of the limits that the call fell under allows."),
    "X-RateLimit-Remaining": ("integer", "How much of it is left."),
    "X-RateLimit-Reset": ("integer", "When it is renewed, in Unix seconds."),
    "X-RateLimit-Window": ("integer", "For how many seconds it is."),
    "RateLimit-Policy": ("string", "All limits that the call fell under (draft-ietf-httpapi-ratelimit-headers)."),
    "RateLimit": ("string", "How the tightest of them stands (the same)."),
}
_UNLIMITED = ("/api/v2/health", "/health", "/ready")


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


def without_trailing_slashes(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Show paths as they are documented. With a slash at the end they work, too."""
    result["paths"] = {path.rstrip("/"): item for path, item in result["paths"].items()}
    return result
