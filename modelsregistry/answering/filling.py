"""Fills a JSON Schema from a document: each of its fields is a question, and its answer becomes the type it wants."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modelsregistry.contract import Passage

from .answer import Answer
from .values import dates, day_of, of_kind, parse_number
from .words import fold

_MOST_FIELDS = 100
_PAGE_NOTE = re.compile(r"\s*\(page \d+[^)]*\)$")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[_\-.]+")
_NUMBER = re.compile(r"\d[\d.,'\u2019 ]*\d|\d")
_INT = "integer"

Ask = Callable[[str], Answer]


@dataclass(slots=True)
class Filled:
    """The data so far, the passages it rests on, and how many fields were asked for."""

    passages: list[Passage] = field(default_factory=list)
    asked: int = 0


def fill(schema: Mapping[str, Any], ask: Ask) -> tuple[Any, Filled]:
    """What the document says of the schema's fields. A field that it does not tell of is null where the schema allows
    that, and else left out: so that nothing is invented, and what is missing is seen."""
    filled = Filled()
    data = _value(schema, schema, (), ask, filled)
    return (None if data is _MISSING else data), filled


_MISSING = object()


def _value(part: Mapping[str, Any], whole: Mapping[str, Any], path: Sequence[str], ask: Ask, filled: Filled) -> Any:
    part = _resolved(part, whole)
    kinds = _kinds(part)
    if "object" in kinds or "properties" in part:
        return _object(part, whole, path, ask, filled)
    if filled.asked >= _MOST_FIELDS or not path:
        return _MISSING
    if "array" in kinds:
        items = part.get("items")
        inner = _resolved(items, whole) if isinstance(items, Mapping) else {}
        found = _MISSING if _kinds(inner) & {"object", "array"} else _leaf(inner, path, ask, filled)
        return [] if found is _MISSING else [found]
    found = _leaf(part, path, ask, filled)
    return None if found is _MISSING and "null" in kinds else found


def _object(
    part: Mapping[str, Any], whole: Mapping[str, Any], path: Sequence[str], ask: Ask, filled: Filled
) -> dict[str, Any]:
    properties = part.get("properties")
    data = {}
    for name, inner in properties.items() if isinstance(properties, Mapping) else ():
        if isinstance(inner, Mapping) and len(path) < 8:
            value = _value(inner, whole, (*path, name), ask, filled)
            if value is not _MISSING:
                data[name] = value
    return data


def _resolved(part: Mapping[str, Any], whole: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part with a reference into the schema followed once, and of alternatives the first that is not null."""
    reference = part.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/"):
        target: Any = whole
        for step in reference[2:].split("/"):
            target = target.get(step) if isinstance(target, Mapping) else None
        part = target if isinstance(target, Mapping) else {}
    for name in ("anyOf", "oneOf"):
        choices = [each for each in part.get(name) or () if isinstance(each, Mapping)]
        others = [each for each in choices if each.get("type") != "null"]
        if others:
            kinds = list(_kinds(others[0])) + (["null"] if len(others) < len(choices) else [])
            return {**part, **others[0], "type": kinds}
    return part


def _kinds(part: Mapping[str, Any]) -> set[str]:
    kinds = part.get("type")
    return set(kinds) if isinstance(kinds, list) else {kinds} if isinstance(kinds, str) else set()


def _leaf(part: Mapping[str, Any], path: Sequence[str], ask: Ask, filled: Filled) -> Any:
    filled.asked += 1
    if "const" in part:
        return part["const"]
    words = part.get("description") or part.get("title") or " ".join(_CAMEL.sub(" ", path[-1]).lower().split())
    words = str(words)[:300]
    reply = ask(words if words.rstrip().endswith("?") else f"What is the {words.strip().rstrip('.')}?")
    if not reply.passages:
        return _MISSING
    value = _typed(_PAGE_NOTE.sub("", reply.text.splitlines()[0]), part)
    if value is not _MISSING:
        filled.passages += [passage for passage in reply.passages if passage not in filled.passages]
    return value


def _typed(text: str, part: Mapping[str, Any]) -> Any:
    """The words of an answer as the type that is wanted."""
    if isinstance(part.get("enum"), list):
        folded = fold(text)
        return next((each for each in part["enum"] if isinstance(each, str) and fold(each) in folded), _MISSING)
    kinds = _kinds(part)
    if kinds & {"number", _INT}:
        return _number(text, whole="number" not in kinds)
    if "boolean" in kinds:
        return _MISSING  # Whether something is so is not looked up but judged.
    if part.get("format") == "date":
        found = dates(text)
        day = day_of(text[found[0].start : found[0].end]) if found else None
        return day.isoformat() if day else _MISSING
    return text


def _number(text: str, *, whole: bool) -> Any:
    sums = [value.number for value in of_kind("amount", text) if value.number is not None]
    match = _NUMBER.search(text)
    number = sums[0] if sums else parse_number(match.group()) if match else None
    if number is None:
        return _MISSING
    if number == number.to_integral_value():
        return int(number)
    return _MISSING if whole else float(number)
