"""A provider that answers every chat completion at once with the same stream: an ASGI application for granian."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

TEXT = "Forty-two."


def _event(choices: list[dict[str, Any]], **more: Any) -> bytes:
    body = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "trivial", "choices": choices}
    return b"data: " + json.dumps({**body, **more}).encode() + b"\n\n"


def _choice(delta: dict[str, str], finish_reason: str | None = None) -> list[dict[str, Any]]:
    return [{"index": 0, "delta": delta, "finish_reason": finish_reason}]


_EVENTS = (
    _event(_choice({"role": "assistant", "content": ""})),
    _event(_choice({"content": TEXT})),
    _event(_choice({}, "stop")),
    _event([], usage={"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}),
    b"data: [DONE]\n\n",
)


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Read the body, then send each event by itself. The connection stays."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for event in _EVENTS:
        await send({"type": "http.response.body", "body": event, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
