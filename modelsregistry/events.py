"""Server-sent events out of lines, as the HTML standard defines them (section 9.2.6)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from modelsregistry.http import MAX_LINE_BYTES, answer_too_large


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its type (`message` when the server names none) and its data."""

    type: str
    data: str


def events(lines: Iterable[str]) -> Iterator[Event]:
    """The events, each as soon as its blank line is there. One that the end cuts off is dropped, as the standard says.

    Raises `ModelOverloaded` when one event grows beyond all measure.
    """
    kind, size = "", 0
    data: list[str] = []
    for line in lines:
        if not line:
            if data:
                yield Event(kind or "message", "\n".join(data))
            kind, data, size = "", [], 0
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            kind = value
        elif name == "data":
            data.append(value)
            size += len(value)
            if size > MAX_LINE_BYTES:
                raise answer_too_large()
