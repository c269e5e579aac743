"""A provider on loopback that does what a test tells it, well-behaved or not, and keeps what it was sent."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = Callable[["Exchange"], None]


@dataclass(frozen=True)
class Received:
    method: str
    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)


class Exchange(BaseHTTPRequestHandler):
    """One connection; replies write to `self.wfile`, raw if they like."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        self.close_connection = True
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        stand_in = self.server.stand_in
        if self.command == "GET" and stand_in.models is not None:
            listed = [{"id": name, "object": "model"} for name in stand_in.models]
            return respond(200, {"object": "list", "data": listed})(self)
        stand_in.received.append(Received(self.command, self.path, headers, raw))
        reply = stand_in.replies.pop(0) if len(stand_in.replies) > 1 else stand_in.replies[0]
        try:
            reply(self)
        except OSError:
            stand_in.hung_up.set()

    def do_GET(self) -> None:
        self.do_POST()

    def head(self, status: int, content_type: str, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@dataclass
class StandIn:
    """`models` are listed to whoever looks, beside the script: for a service that looks in its own time. Without them
    a listing is a call like any other."""

    url: str
    models: Sequence[str] | None = None
    received: list[Received] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    hung_up: threading.Event = field(default_factory=threading.Event)

    def script(self, *replies: Reply) -> None:
        """The replies in order; the last one is repeated."""
        self.replies[:] = replies

    @property
    def last(self) -> Received:
        return self.received[-1]

    @property
    def variables(self) -> dict[str, str]:
        """What a service has in its environment for which this is OpenAI, with the model `reader`."""
        return {"OPENAI_API_BASE_URL": self.url, "OPENAI_API_KEY": "sk-upstream", "OPENAI_API_MODELS": "reader"}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    stand_in: StandIn

    def handle_error(self, *args: Any) -> None:
        """A client that hangs up is part of the play."""


@contextmanager
def running(*models: str) -> Iterator[StandIn]:
    server = _Server(("127.0.0.1", 0), Exchange)
    stand_in = server.stand_in = StandIn(f"http://127.0.0.1:{server.server_port}/v1", models or None)
    stand_in.script(answer("Forty-two."))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield stand_in
    finally:
        stand_in.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


def chunk(
    content: str | None = None, *, finish_reason: str | None = None, usage: dict[str, Any] | None = None, **delta: Any
) -> str:
    """One chunk as OpenAI streams it."""
    choice = {"index": 0, "delta": {"content": content, **delta}, "finish_reason": finish_reason}
    body: dict[str, Any] = {"object": "chat.completion.chunk", "model": "upstream-2026", "choices": [choice]}
    if usage:
        body.update(choices=[], usage=usage)
    return f"data: {json.dumps(body)}\n\n"


def stream(*events: str, content_type: str = "text/event-stream; charset=utf-8") -> Reply:
    """Exactly these events, then the connection's end."""

    def reply(exchange: Exchange) -> None:
        exchange.head(200, content_type)
        for event in events:
            exchange.wfile.write(event.encode())
            exchange.wfile.flush()

    return reply


def answer(*pieces: str, finish_reason: str = "stop") -> Reply:
    """A whole, well-formed answer."""
    return stream(
        *map(chunk, pieces),
        chunk(finish_reason=finish_reason),
        chunk(usage={"prompt_tokens": 11, "completion_tokens": 7}),
        "data: [DONE]\n\n",
    )


def respond(status: int, body: Any, content_type: str = "application/json", **headers: str) -> Reply:
    """A plain response; `body` is sent as it is if it is text or bytes, else as JSON."""
    raw = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()

    def reply(exchange: Exchange) -> None:
        exchange.head(status, content_type, **{"Content_Length": str(len(raw)), **headers})
        exchange.wfile.write(raw)

    return reply


def stall(*events: str, content_type: str = "text/event-stream; charset=utf-8") -> Reply:
    """These events, and then silence until the test is over."""

    def reply(exchange: Exchange) -> None:
        stream(*events, content_type=content_type)(exchange)
        exchange.server.stand_in.released.wait(60)

    return reply


def drip(piece: bytes, *, headers_first: bool) -> Reply:
    """The same few bytes for ever, each soon enough not to count as a stall."""

    def reply(exchange: Exchange) -> None:
        if headers_first:
            exchange.head(200, "text/event-stream")
        else:
            exchange.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not exchange.server.stand_in.released.wait(0.02):
            exchange.wfile.write(piece)
            exchange.wfile.flush()

    return reply


def endless(piece: bytes) -> Reply:
    """The same bytes as fast as they are taken."""

    def reply(exchange: Exchange) -> None:
        exchange.head(200, "text/event-stream")
        while not exchange.server.stand_in.released.is_set():
            exchange.wfile.write(piece)

    return reply
