"""The server of event streams takes nothing, and nobody holds all of its connections."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from apiv2project import streams

WATCHERS = 4


def scope(**headers: str) -> dict[str, Any]:
    sent = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": "GET", "path": "/", "headers": sent, "client": ("192.0.2.7", 4711)}


async def answered(application: streams.ASGIApplication, asked: dict[str, Any]) -> tuple[Mapping[str, Any], bytes]:
    sent: list[Mapping[str, Any]] = []

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    async def receive() -> Mapping[str, Any]:
        return {"type": "http.request", "body": b""}

    await application(asked, receive, send)
    return sent[0], b"".join(each.get("body", b"") for each in sent)


async def _watched() -> None:
    ended = asyncio.Event()

    async def watched(asked: dict[str, Any], receive: Any, send: Any) -> None:
        if asked["path"] != "/short":
            await ended.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    application = streams.shared(watched, WATCHERS)
    mine, theirs = scope(authorization="Bearer sk-mine"), scope(authorization="Bearer sk-theirs")
    watching = [asyncio.create_task(answered(application, mine)) for _ in range(WATCHERS // 2)]
    await asyncio.sleep(0)
    start, body = await answered(application, mine)
    assert (start["status"], json.loads(body)["code"]) == (503, "busy")
    assert dict(start["headers"])[b"retry-after"] == str(json.loads(body)["retry_after"]).encode()
    assert (await answered(application, {**theirs, "path": "/short"}))[0]["status"] == 200
    ended.set()
    assert [(await each)[0]["status"] for each in watching] == [200] * (WATCHERS // 2)
    assert (await answered(application, mine))[0]["status"] == 200


def test_nobody_holds_more_than_half_of_the_connections() -> None:
    """And whoever leaves makes room."""
    asyncio.run(_watched())


def test_a_body_is_refused_unread() -> None:
    async def never(*_: Any) -> None:
        raise AssertionError

    start, body = asyncio.run(answered(streams.without_bodies(never), scope(**{"transfer-encoding": "chunked"})))
    assert (start["status"], json.loads(body)["code"]) == (413, "body_too_large")
