"""The page `docs/API_V2_ENDPOINTS.md`, made from the OpenAPI description."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from processing.api.schema import MadeOnce

Node = Mapping[str, Any]

_HEAD = """\
# Endpoints

Made from the service's OpenAPI description by `.venv/bin/python manage.py endpoint_table`; a test compares the two. A
running service shows the same at `/api/v2/docs`, and to programs at `/api/v2/openapi.json`, with every field of every
reply. How to use them: [API_V2_DOCUMENTATION.md](API_V2_DOCUMENTATION.md).

A field with a star has to be sent. "Key" stands for whatever [opens the API](access.md): an API key, a token from
signing in, or a browser's session. Paths work with a slash at the end, too. Every refusal is a problem
([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)) with a stable code; [TROUBLESHOOTING.md](TROUBLESHOOTING.md) lists
all of them.
"""
# In the order in which a reader needs them. A tag that is not named here comes last.
_TITLES = {
    "process": "Asking",
    "status": "Reading the answer",
    "tasks": "Tasks",
    "upload": "Documents",
    "batches": "Batches",
    "webhooks": "Webhooks",
    "usage": "Use and budgets",
    "service": "The service",
    "access": "Access",
    "administration": "Administration",
    "drop-in": "What other programs call",
}
_KINDS_OF_PLACE = {"path": "path", "query": "query", "header": "header"}


@dataclass(frozen=True)
class Operation:
    """One method of one path, as the description has it."""

    method: str
    path: str
    node: Node

    @property
    def tag(self) -> str:
        return str(self.node["tags"][0])


def markdown() -> str:
    """The whole page."""
    description: Node = MadeOnce().get_schema(public=True)  # type: ignore[no-untyped-call]
    schemas: Node = description["components"]["schemas"]
    operations = [
        Operation(method.upper(), path, node)
        for path, item in description["paths"].items()
        for method, node in item.items()
    ]
    tags = [*_TITLES, *sorted({operation.tag for operation in operations} - _TITLES.keys())]
    page = _HEAD + "".join(
        _section(_TITLES.get(tag, tag.capitalize()), [each for each in operations if each.tag == tag], schemas)
        for tag in tags
    )
    return page + _shapes(operations, schemas)


def _section(title: str, operations: list[Operation], schemas: Node) -> str:
    table = "| Call | | Needs |\n|---|---|---|\n" + "".join(
        f"| `{each.method} {each.path}` | {_cell(each.node['summary'])} | {_needs(each.node)} |\n"
        for each in operations
    )
    return f"\n## {title}\n\n{table}" + "".join(_told(each, schemas) for each in operations)


def _needs(node: Node) -> str:
    ways = node.get("security", [{}])
    if {} not in ways:
        return "key"
    return "nothing" if len(ways) == 1 else "nothing, unless closed"


def _told(operation: Operation, schemas: Node) -> str:
    """What the table does not say; nothing where there is no more to be said."""
    node = operation.node
    words = _paragraphs(node.get("description", ""))
    fields = [*_parameters(node), *_body(node, schemas)]
    table = "\n| Field | In | Type | |\n|---|---|---|---|\n" + "".join(fields) if fields else ""
    replies = ", ".join(_replies(node))
    return f"\n### `{operation.method} {operation.path}`\n\n{words}\n{table}\nReplies: {replies}.\n"


def _paragraphs(text: str) -> str:
    """Without the trouble that a line of a docstring makes at the margin."""
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def _parameters(node: Node) -> Iterator[str]:
    for each in node.get("parameters", []):
        place = _KINDS_OF_PLACE[each["in"]]
        yield _row(each["name"], place, _kind(each["schema"], {}), each.get("description", ""), each.get("required"))


def _body(node: Node, schemas: Node) -> Iterator[str]:
    for media_type, content in node.get("requestBody", {}).get("content", {}).items():
        schema = _resolved(content.get("schema", {}), schemas)
        needed = schema.get("required", [])
        place = {"multipart/form-data": "form", "application/json": "JSON"}.get(media_type, "body")
        for name, field in schema.get("properties", {}).items():
            words = field.get("description", "") or _resolved(field, schemas).get("description", "")
            yield _row(name, place, _kind(field, schemas), words, name in needed)
        if not schema.get("properties"):
            yield f"| | body | {media_type} | |\n"


def _replies(node: Node) -> Iterator[str]:
    """The successes and the refusals that have a meaning of their own."""
    for status, reply in node["responses"].items():
        if status.endswith("XX") or status == "429":
            continue
        names = [_named(media_type, content) for media_type, content in reply.get("content", {}).items()]
        phrase = "" if names else f" {HTTPStatus(int(status)).phrase.lower()}"
        yield f"{status}{phrase}" + (" " + " or ".join(names) if names else "")


def _named(media_type: str, content: Node) -> str:
    schema = content.get("schema", {})
    if "items" in schema:
        return f"a list of {_link(_name(schema['items']))}"
    name = _name(schema)
    return _link(name) if name else media_type


def _link(name: str) -> str:
    return f"[`{name}`](#{name.lower()})"


def _shapes(operations: list[Operation], schemas: Node) -> str:
    """What replies hold, each shape once, and what these hold in turn."""
    names: set[str] = set()
    replies = [each.node["responses"] for each in operations]
    waiting = _references(replies)
    while waiting:
        names |= waiting
        waiting = _references([schemas[name] for name in waiting]) - names
    objects = sorted(name for name in names if schemas[name].get("properties"))
    return "\n## What replies hold\n" + "".join(_shape(name, schemas) for name in objects)


def _references(node: object) -> set[str]:
    return set(re.findall(r"'\$ref': '#/components/schemas/([^']+)'", str(node)))


def _shape(name: str, schemas: Node) -> str:
    schema = schemas[name]
    words = schema.get("description", "").strip()
    rows = "".join(
        f"| `{field}` | {_kind_of_reply(node, schemas)} | {_cell(node.get('description', ''))} |\n"
        for field, node in schema["properties"].items()
    )
    told = f"{words}\n\n" if words else ""
    return f"\n### {name}\n\n{told}| Field | Type | |\n|---|---|---|\n{rows}"


def _kind_of_reply(schema: Node, schemas: Node) -> str:
    """As for a request, with a link to where an object is told."""
    inner = schema.get("items", schema)
    parts = inner.get("allOf") or inner.get("oneOf") or inner.get("anyOf") or [inner]
    name = _name(parts[0])
    if not schemas.get(name, {}).get("properties"):
        return _kind(schema, schemas)
    nullable = " or null" if {"type": "null"} in parts else ""
    return ("list of " if "items" in schema else "") + _link(name) + nullable


def _row(name: str, place: str, kind: str, words: str, needed: bool | None) -> str:  # noqa: FBT001
    return f"| `{name}`{' *' if needed else ''} | {place} | {kind} | {_cell(words)} |\n"


def _cell(words: str) -> str:
    """One line, in which nothing ends the cell; the values that a choice lists are told by its type."""
    words = re.sub(r"(^|\n)\n?\* `.*", "", words, flags=re.DOTALL)
    return re.sub(r"\s+", " ", words).strip().replace("|", "\\|")


def _kind(schema: Node, schemas: Node) -> str:
    found = _resolved(schema, schemas)
    if "enum" in found:
        return ", ".join(f"`{each}`" for each in found["enum"] if each is not None)
    kind = found.get("type", "any")
    names = [kind] if isinstance(kind, str) else list(kind)
    if names[0] == "array":
        inner = _kind(found.get("items", {}), schemas)
        names[0] = f"list of {inner}" if inner.startswith("`") else f"list of {inner}s" if inner != "any" else "list"
    if found.get("format") in ("binary", "uuid", "uri", "date"):
        names[0] = {"binary": "file", "uuid": "UUID", "uri": "URL", "date": "date"}[found["format"]]
    return " or ".join(names) + _bounds(found)


def _bounds(schema: Node) -> str:
    if "minimum" in schema and "maximum" in schema:
        return f" {schema['minimum']:.15g} to {schema['maximum']:.15g}"
    return f", up to {schema['maxLength']} characters" if "maxLength" in schema else ""


def _resolved(schema: Node, schemas: Node) -> Node:
    """The schema itself, where it is a reference or one with words beside it, or may be null."""
    for parts in (schema.get("allOf"), schema.get("oneOf"), schema.get("anyOf")):
        if parts:
            return _resolved(parts[0], schemas)
    name = _name(schema)
    found: Node = schemas.get(name, schema)
    return found


def _name(schema: Node) -> str:
    reference = str(schema.get("$ref", ""))
    return reference.rpartition("/")[2]
