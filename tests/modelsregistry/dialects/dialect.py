"""What a dialect is to the suites that hold for all of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from modelsregistry.contract import Driver, Endpoint
from modelsregistry.discovery import driver_class
from tests.modelsregistry import stand_in
from tests.modelsregistry.stand_in import Received, Reply, StandIn

# What every `Dialect.answer` says that it cost.
INPUT_TOKENS, CACHED_TOKENS, OUTPUT_TOKENS = 11, 4, 7
MODEL_NAME = "upstream-2026"


@dataclass(frozen=True)
class Sent:
    """What a request carried, whatever the dialect called it. `order` is `t` a text, `i` a picture, `d` a document."""

    texts: list[str]
    images: list[tuple[str, bytes]]
    documents: list[bytes]
    order: str
    system: str
    temperature: float | None
    max_tokens: int | None
    schema: Any
    model: str
    streamed: bool


@dataclass(frozen=True)
class Dialect:
    """One dialect as its provider speaks it.

    `answer(pieces, reason)` are the pieces of a whole stream, one string an event, `reason` being `stop`, `length` or
    `content_filter`; those up to `-tail` are not yet an answer. `piece` is one event that carries text. `refused` is a
    stream in which the model declines. `inside(status)` is an error under 200 that stands for this status, mid-stream;
    `error(status)` is the body of an honest one. `read` makes sense of a request. `secret_header` is what carries
    `sk-test`. `finish_reasons` are theirs → ours.
    """

    kind: str
    answer: Callable[..., list[str]]
    piece: Callable[[str], str]
    tail: int
    refused: list[str]
    inside: Callable[[int], str]
    error: Callable[[int], Any]
    read: Callable[[Received], Sent]
    secret_header: tuple[str, str]
    finish_reasons: Mapping[str, str]
    with_finish: Callable[[str], list[str]]
    models: Any
    content_type: str = "text/event-stream; charset=utf-8"
    malformed: str = "data: {half\n\n"
    native_pdf: bool = True
    caches: bool = True
    options: Mapping[str, str] = field(default_factory=dict)
    path: str = ""

    def __str__(self) -> str:
        return self.kind

    def driver(self, upstream: StandIn, **fields: Any) -> Driver:
        """A driver pointed at `upstream`; keywords replace fields of its endpoint."""
        given = {"model": "upstream-id", "base_url": upstream.url, "secret": "sk-test", "stall_timeout": 10.0}
        return driver_class(self.kind)(Endpoint(**{**given, "options": self.options, **fields}))

    def stream(self, *events: str) -> Reply:
        return stand_in.stream(*events, content_type=self.content_type)

    def stall(self, *events: str) -> Reply:
        return stand_in.stall(*events, content_type=self.content_type)


def data(body: Any, event: str = "") -> str:
    """A server-sent event."""
    return (f"event: {event}\n" if event else "") + f"data: {json.dumps(body)}\n\n"
