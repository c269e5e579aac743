"""JSON Schemas as providers want them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_OF_SCHEMAS = ("properties", "$defs", "definitions")
# Not `allOf`: branches that are closed each by itself forbid one another's properties.
_LISTS_OF_SCHEMAS = ("anyOf", "oneOf", "prefixItems")
_COMPOSED = ("anyOf", "allOf", "oneOf", "$ref")


def closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with every object that names its properties, and does not say otherwise, closed to all others.

    Providers that constrain what a model writes ask for this; whatever fits the result fits the schema given.
    """
    found = dict(schema)
    for name in _OF_SCHEMAS:
        if isinstance(found.get(name), Mapping):
            found[name] = {key: _closed(value) for key, value in found[name].items()}
    for name in _LISTS_OF_SCHEMAS:
        if isinstance(found.get(name), list):
            found[name] = [_closed(value) for value in found[name]]
    if "items" in found:
        found["items"] = _closed(found["items"])
    if found.get("properties") and not any(name in found for name in _COMPOSED):
        found.setdefault("additionalProperties", False)
    return found


def _closed(schema: Any) -> Any:
    return closed(schema) if isinstance(schema, Mapping) else schema
