"""The parameters as a list: what forms and documentation are made from, read off the fields themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from processing.runtime.defaults import VARIABLES
from processing.runtime.overrides import Path, dotted
from processing.runtime.parameters import SECTION, Parameters

_WITHOUT_SECTION = "Other"


@dataclass(frozen=True, slots=True)
class Setting:
    """One parameter. `kind` is JSON Schema's type of it, `takes` the words of its field, `default` the built-in one,
    `variable` the environment variable of its own. A `nullable` one may be left to the service."""

    path: Path
    section: str
    kind: str
    takes: str
    default: Any
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    max_length: int | None = None
    variable: str = ""

    @property
    def name(self) -> str:
        """As people write it: `memory_management.monitor_usage`."""
        return dotted(self.path)


@lru_cache(maxsize=1)
def every_setting() -> tuple[Setting, ...]:
    """All of them, section by section, in the order of the fields."""
    schema = Parameters.model_json_schema()
    return tuple(_settings(schema, schema.get("$defs", {}), Parameters().model_dump(mode="json")))


def _settings(
    schema: Mapping[str, Any],
    definitions: Mapping[str, Any],
    values: Mapping[str, Any],
    above: Path = (),
    section: str = _WITHOUT_SECTION,
) -> Iterator[Setting]:
    variables = {name: variable for variable, name in VARIABLES.items()}
    for name, described in schema["properties"].items():
        section = described.get(SECTION, section)
        path = (*above, name)
        if "$ref" in described:
            group = definitions[described["$ref"].rsplit("/", 1)[-1]]
            yield from _settings(group, definitions, values[name], path, section)
            continue
        choices = described.get("anyOf", [described])
        taken = next(each for each in choices if each["type"] != "null")
        yield Setting(
            path=path,
            section=section,
            kind=taken["type"],
            takes=described["description"],
            default=values[name],
            nullable=len(choices) > 1,
            minimum=taken.get("minimum", taken.get("exclusiveMinimum")),
            maximum=taken.get("maximum"),
            max_length=taken.get("maxLength") or described.get("maxLength"),
            variable=variables.get(dotted(path), ""),
        )
