"""Turning plain JSON into parameters, and what is wrong with it into sentences."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from processing.runtime.overrides import dotted
from processing.runtime.parameters import Parameters

# A request of a thousand wrong keys is told of the first ones.
MAX_PROBLEMS = 20

Location = tuple[int | str, ...]


def validated(document: Mapping[str, Any]) -> Parameters:
    """The parameters that `document` describes, read strictly: `"8"` and `true` are no numbers.

    Raises pydantic's `ValidationError`.
    """
    return Parameters.model_validate_json(json.dumps(document), strict=True)


def locations(error: ValidationError) -> list[Location]:
    """Where `error` found something wrong."""
    return [_location(problem) for problem in error.errors(include_url=False, include_context=False)]


def problems(error: ValidationError) -> dict[str, list[str]]:
    """Sentences on what is wrong, by dotted key; `body` is the whole."""
    found: dict[str, list[str]] = {}
    for problem in error.errors(include_url=False)[:MAX_PROBLEMS]:
        location = _location(problem)
        found.setdefault(dotted(location) or "body", []).append(_sentence(problem, location))
    return found


def taken_by(location: Location) -> str:
    """What the parameter at `location` takes, in the words of its field; empty where there is no such field."""
    model: type[BaseModel] | None = Parameters
    words = ""
    for part in location:
        field = model.model_fields.get(str(part)) if model else None
        if field is None:
            continue
        words = field.description or words
        annotation = field.annotation
        model = annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
    return words


def _location(problem: ErrorDetails) -> Location:
    return tuple(part for part in problem["loc"] if part != "[key]")


def _sentence(problem: ErrorDetails, location: Location) -> str:
    if problem["type"] == "extra_forbidden":
        return "There is no such setting."
    if problem["type"] == "json_invalid":
        return "This is not valid Unicode text."
    message = problem["msg"].removeprefix("Value error, ").rstrip(".")
    takes = taken_by(location)
    return f"{message}. Takes: {takes}" if takes else f"{message}."
