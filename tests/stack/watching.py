"""Watching tasks from outside: a reader of server-sent events, and a model that speaks slowly."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from tests.modelsregistry import stand_in
from tests.modelsregistry.stand_in import Exchange

PATIENCE = 60.0  # seconds


@dataclass(frozen=True)
class Event:
    name: str
    data: Any
    id: str | None


class Speaker:
    """A model that says a piece whenever the test lets it, and the rest when the test is over."""

    def __init__(self, *pieces: str) -> None:
        self.pieces = pieces
        self._may = threading.Semaphore(0)

    def say(self, pieces: int = 1) -> None:
        self._may.release(pieces)

    def __call__(self, exchange: Exchange) -> None:
        exchange.head(200, "text/event-stream; charset=utf-8")
        for piece in self.pieces:
            self._may.acquire(timeout=PATIENCE)
            self._write(exchange, stand_in.chunk(piece))
        self._may.acquire(timeout=PATIENCE)
        self._write(exchange, stand_in.chunk(finish_reason="stop"))
        self._write(exchange, stand_in.chunk(usage={"prompt_tokens": 11, "completion_tokens": 7}))
        self._write(exchange, "data: [DONE]\n\n")

    def _write(self, exchange: Exchange, text: str) -> None:
        exchange.wfile.write(text.encode())
        exchange.wfile.flush()


def events(response: httpx.Response) -> Iterator[Event]:
    """The events of a stream as they come."""
    fields: dict[str, str] = {}
    for line in response.iter_lines():
        if not line:
            if "data" in fields:
                yield Event(fields["event"], json.loads(fields["data"]), fields.get("id"))
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value


def text(seen: list[Event]) -> str:
    """What the model has said, as a watcher puts it together."""
    said = ""
    for event in seen:
        if event.name == "delta":
            said = event.data["text"] if event.data.get("reset") else said + event.data["text"]
    return said
