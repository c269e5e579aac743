"""JSON that can be read in one way only: no name twice, no NaN, and no deeper than anything here is."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, NoReturn

from processing.errors import InvalidInput

MAX_DEPTH = 64
_NAMED_AT_MOST = 20
_SHOWN = 100  # characters of a name


class MalformedJsonError(ValueError):
    """This is no JSON, or is nested too deeply."""


class _Repeating(dict[str, Any]):
    """An object that has some names twice, of which readers take the first, the last, or both."""

    names: tuple[str, ...] = ()


def loads(text: bytes) -> Any:
    """The value. Raises `MalformedJsonError`, and `InvalidInput` (`duplicate_key`) with the place of each name that an
    object has twice."""
    try:
        value = json.loads(text.decode(), object_pairs_hook=_object, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise MalformedJsonError("This is not valid JSON.") from error
    repeated = list(_repeated(value)) if isinstance(value, (dict, list)) else []
    if repeated:
        errors = {place: ["This is given twice."] for place in repeated[:_NAMED_AT_MOST]}
        raise InvalidInput("The body gives a name twice.", "duplicate_key", errors=errors)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    repeating = _Repeating(found)
    repeating.names = tuple(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
    return repeating


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _repeated(value: Any, place: str = "", depth: int = 1) -> Iterator[str]:
    """The dotted places of repeated names. Raises `MalformedJsonError` for what is too deep."""
    if depth > MAX_DEPTH:
        raise MalformedJsonError("This is nested too deeply.")
    if isinstance(value, _Repeating):
        yield from (_dotted(place, name) for name in value.names)
    for name, below in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(below, (dict, list)):
            yield from _repeated(below, _dotted(place, str(name)), depth + 1)


def _dotted(place: str, name: str) -> str:
    return f"{place}.{name[:_SHOWN]}" if place else name[:_SHOWN]
