"""The values that hold where nobody changed anything: the built-in ones under those of the environment and `.env`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.conf import settings
from pydantic import TypeAdapter, ValidationError

from processing.errors import InvalidInput
from processing.runtime import strict_json
from processing.runtime.overrides import Document, Path, dotted, laid_over, leaves, without_nulls
from processing.runtime.parameters import Parameters
from processing.runtime.validation import problems, taken_by, validated

ADMIN_CONFIG = "API_V2_ADMIN_CONFIG"
VARIABLES: Mapping[str, str] = {
    "API_V2_ENABLED": "enabled",
    "API_V2_MAX_FILE_SIZE": "max_file_size",
    "API_V2_MAX_CONCURRENT": "max_concurrent",
    "API_V2_TIMEOUT": "timeout",
    "API_V2_ADMIN_MODEL": "admin_model",
    "ENABLE_MODEL_CACHE": "enable_model_cache",
    "MODEL_CACHE_TTL": "model_cache_ttl",
    "ENABLE_PROCESSING_CACHE": "enable_processing_cache",
    "PROCESSING_CACHE_TTL": "processing_cache_ttl",
}


@dataclass(frozen=True, slots=True)
class Defaults:
    """`values` is a whole configuration as JSON; `variables` names the variable that gave the value at a path."""

    values: Mapping[str, Any]
    variables: Mapping[Path, str]


class MalformedVariablesError(Exception):
    """Environment variables that do not say what they should; one line for each, naming it and what it takes."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def defaults_from_environment(variables: Mapping[str, str]) -> Defaults:
    """Read the defaults. A variable of its own overrules the same setting within `API_V2_ADMIN_CONFIG`.

    Raises `MalformedVariablesError`.
    """
    lines: list[str] = []
    values = Parameters().model_dump(mode="json")
    origins: dict[Path, str] = {}
    if ADMIN_CONFIG in variables:
        try:
            given = _admin_config(variables[ADMIN_CONFIG])
            values = laid_over(values, given)
            origins.update((path, ADMIN_CONFIG) for path, _ in leaves(given))
        except ValueError as error:
            lines.append(f"{ADMIN_CONFIG}: {error}")
    for name, key in VARIABLES.items():
        if name in variables:
            try:
                values[key] = _typed(key, variables[name])
                origins[(key,)] = name
            except ValueError as error:
                lines.append(f"{name}: {error}")
    if lines:
        raise MalformedVariablesError(lines)
    return Defaults(validated(values).model_dump(mode="json"), origins)


def defaults() -> Defaults:
    """The defaults of this process. Raises `MalformedVariablesError`, which a service that has started cannot meet."""
    relevant = (*VARIABLES, ADMIN_CONFIG)
    return _read_once(tuple((name, settings.VARIABLES[name]) for name in relevant if name in settings.VARIABLES))


@lru_cache(maxsize=1)
def _read_once(variables: tuple[tuple[str, str], ...]) -> Defaults:
    return defaults_from_environment(dict(variables))


def _admin_config(text: str) -> Document:
    try:
        given = strict_json.loads(text.encode())
    except InvalidInput as error:
        raise ValueError(f"{', '.join(error.errors or ())}: This is given twice.") from error
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise ValueError('Takes a JSON object such as {"temperature": 0.7}.')
    given = without_nulls(given)
    try:
        validated(laid_over(Parameters().model_dump(mode="json"), given))
    except ValidationError as error:
        key, (sentence, *_) = next(iter(problems(error).items()))
        raise ValueError(f"{key}: {sentence}") from error
    return given


def _typed(key: str, text: str) -> Any:
    field = Parameters.model_fields[key]
    try:
        value = TypeAdapter(field.rebuild_annotation()).validate_strings(text.strip())
    except ValidationError as error:
        message = error.errors(include_url=False)[0]["msg"].rstrip(".")
        raise ValueError(f"{message} (got {text!r}). Takes: {taken_by((key,))}") from error
    return value


def differing(overrides: Mapping[str, Any]) -> list[str]:
    """The variables whose value a stored change overrules, as `VARIABLE (setting)`."""
    stored = dict(leaves(overrides))
    given = defaults()
    wanted = dict(leaves(given.values))
    return [
        f"{name} ({dotted(path)})"
        for path, name in given.variables.items()
        if path in stored and stored[path] != wanted.get(path)
    ]
