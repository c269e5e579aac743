"""Answers of a given shape: what `response_schema` may be, and whether an answer fits it (JSON Schema 2020-12)."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import processing

MAX_BYTES = 64 * 1024
MAX_DEPTH = 32
_KINDS = 7  # that JSON knows, whole numbers counted apart
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_PATIENCE = 10.0  # seconds for one look at one answer
_ROOT = Path(processing.__file__).parent.parent


class BadSchema(ValueError):
    """What was sent is no schema that an answer can be held to; the message is a sentence for the caller."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`data` is the answer as data and `text` the same as JSON; `problems` says what is wrong, and is empty if nothing
    is."""

    data: Any
    text: str
    problems: tuple[str, ...] = ()


@functools.lru_cache(maxsize=64)
def parse(text: str) -> dict[str, Any]:
    """The schema that `text` holds. Raises `BadSchema`.

    Nothing is fetched: a reference must stand within the schema (`#…`). Whoever gets it changes nothing in it: the
    lines of a batch share one.
    """
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise BadSchema(f"The schema is larger than {MAX_BYTES // 1024} kB.")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise BadSchema("This is not JSON.") from None
    if not isinstance(found, dict) or not found:
        raise BadSchema("A JSON Schema is an object that says something.")
    for depth, part in _parts(found):
        _require_plain(depth, part, whole=part is found)
    return _checked(found)


def _require_plain(depth: int, part: Mapping[str, Any], *, whole: bool) -> None:
    if depth > MAX_DEPTH:
        raise BadSchema(f"The schema is nested more than {MAX_DEPTH} deep.")
    kinds = part.get("type")
    if isinstance(kinds, list) and (len(kinds) > _KINDS or not all(isinstance(kind, str) for kind in kinds)):
        # Said here: the library compares all of a long list's items with one another.
        raise BadSchema(f"A type is one of JSON's, or a list of at most {_KINDS} of them.")
    for name in _REFERENCES:
        target = part.get(name)
        if isinstance(target, str) and not target.startswith("#"):
            raise BadSchema("A reference must stand within the schema itself (#…); nothing is fetched.")
    if isinstance(part.get("$id"), str) and not whole:
        raise BadSchema("Only the schema as a whole can have an $id.")


def _parts(schema: Any, depth: int = 1) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Every object in the schema with its depth, no deeper than one past what is allowed."""
    inside = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    if isinstance(schema, dict):
        yield depth, schema
    elif isinstance(schema, list) and depth > MAX_DEPTH:
        yield depth, {}
    if depth <= MAX_DEPTH:
        for each in inside:
            yield from _parts(each, depth + 1)


def _checked(schema: dict[str, Any]) -> dict[str, Any]:
    from jsonschema import Draft202012Validator, SchemaError  # 0.1 s: not for workers that meet no schema

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        where = ".".join(str(part) for part in error.path) or "schema"
        raise BadSchema(f"This is no JSON Schema: {where}: {error.message[:200]}") from None
    return schema


def checked(answer: str, schema: Mapping[str, Any], deadline: float) -> Verdict:
    """Whether an answer is JSON that fits the schema; what a model wraps around it or leaves out of it is mended first.

    A `pattern` may take for ever and a schema may refer to itself: so this is done in a process that is killed after
    10 s, or at `deadline` (a `time.monotonic()` value).
    """
    message = json.dumps({"answer": answer, "schema": dict(schema)}).encode()
    left = max(0.1, min(_PATIENCE, deadline - time.monotonic()))
    environment = {"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONPATH": str(_ROOT)}
    command = [sys.executable, "-P", "-m", "processing.pipeline.schema_check"]
    try:
        done = subprocess.run(command, input=message, capture_output=True, timeout=left, env=environment, cwd="/")
    except subprocess.TimeoutExpired:
        return Verdict(None, "", ("checking it against the schema took too long",))
    if done.returncode:
        return Verdict(None, "", ("it could not be checked against the schema",))
    said = json.loads(done.stdout)
    return Verdict(said["data"], json.dumps(said["data"], ensure_ascii=False, indent=2), tuple(said["problems"]))
