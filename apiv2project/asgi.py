"""The service as an ASGI application: made for thousands who watch tasks, and able to all the rest.

Event streams are driven in the loop, without a thread for each. Who may watch is found out as everywhere, by the view
with all that stands before it, in a few threads that keep their database connections. Django's own handler would hold a
thread and a connection for each stream that is open.
"""

from __future__ import annotations

import asyncio
import io
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "apiv2project.settings")

django_application = get_asgi_application()

from django.core import signals  # noqa: E402  (what follows needs Django to be set up)
from django.core.handlers.asgi import ASGIRequest  # noqa: E402
from django.core.handlers.base import BaseHandler  # noqa: E402
from django.http.response import HttpResponseBase  # noqa: E402
from django.urls import set_script_prefix  # noqa: E402

from processing.api.events import EventStreamResponse  # noqa: E402

Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Scope = dict[str, Any]

_THREADS = 8  # that find out who may watch; each keeps a connection to the database
_STREAM = re.compile(r"/+api/v2/tasks/[0-9a-fA-F-]{36}/events/?")


class Streams(BaseHandler):
    """Answers `GET /api/v2/tasks/{task_id}/events`."""

    def __init__(self) -> None:
        super().__init__()
        self.load_middleware()
        self._threads = ThreadPoolExecutor(_THREADS, "watchers")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        loop = asyncio.get_running_loop()
        response = await loop.run_in_executor(self._threads, self._answer, scope)
        try:
            await send(_head(response))
            if isinstance(response, EventStreamResponse):
                is_welcome = response.stream.is_welcome
                frames = response.stream.in_loop(lambda: loop.run_in_executor(self._threads, is_welcome))
                await _until_gone(receive, _passed_on(frames, send))
            else:
                await send({"type": "http.response.body", "body": response.getvalue()})
        finally:
            await loop.run_in_executor(self._threads, response.close)

    def _answer(self, scope: Scope) -> HttpResponseBase:
        set_script_prefix(scope.get("root_path", ""))
        signals.request_started.send(sender=type(self), scope=scope)
        return self.get_response(ASGIRequest(scope, io.BytesIO()))


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Streams here, all else as Django does it."""
    if scope["type"] == "http" and scope["method"] == "GET" and _STREAM.fullmatch(scope["path"]):
        await _STREAMS(scope, receive, send)
    elif scope["type"] == "http":
        await django_application(scope, receive, send)


def _head(response: HttpResponseBase) -> Message:
    headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in response.items()]
    cookies = [(b"set-cookie", each.output(header="").strip().encode("ascii")) for each in response.cookies.values()]
    return {"type": "http.response.start", "status": response.status_code, "headers": [*headers, *cookies]}


async def _passed_on(frames: AsyncIterator[bytes], send: Send) -> None:
    async for frame in frames:
        await send({"type": "http.response.body", "body": frame, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _until_gone(receive: Receive, sending: Any) -> None:
    """Send until all is sent, or the client has gone."""
    tasks = [asyncio.ensure_future(sending), asyncio.ensure_future(_gone(receive))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


_STREAMS = Streams()
