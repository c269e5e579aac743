"""The server of event streams: `python -m apiv2project.streams` serves the ASGI application on HOST and
API_V2_STREAMS_PORT.

A process beside the web server, for services that more people watch than it has threads for: a proxy sends
`/api/v2/tasks/{id}/events` here and everything else there.
"""

from __future__ import annotations

import io
import json
import os
import signal
import time
import uuid
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from importlib import import_module
from typing import TYPE_CHECKING, Any

from django.core.handlers.asgi import ASGIRequest
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server

from apiv2project import web
from apiv2project.places import Places, owners
from processing.operations import lifeline, listening

if TYPE_CHECKING:
    from apiv2project.asgi import Receive, Scope, Send

    ASGIApplication = Callable[[Scope, Receive, Send], Awaitable[None]]

DEFAULT_PORT = 3001
_WATCHERS = 16_384  # connections that the process holds open at once
_COME_BACK = 5  # seconds


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    web.run(_serve)


def without_bodies(application: ASGIApplication) -> ASGIApplication:
    """Whoever watches has nothing to send. What is sent all the same is refused before it is received: this server has
    none of the bounds that the web server sets to bodies."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _has_body(scope):
            said = "Events are watched here, and nothing is taken. Send it to the web server."
            await _refuse(send, 413, said, "body_too_large", "validation_error")
        else:
            await application(scope, receive, send)

    return guarded


def shared(application: ASGIApplication, watchers: int = _WATCHERS) -> ASGIApplication:
    """Nobody holds more than half of the connections that may be open, however many requests they make."""
    places = Places(watchers, share=watchers // 2)

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await application(scope, receive, send)
            return
        give_back = places.take(owners(ASGIRequest(scope, io.BytesIO())))
        if give_back is None:
            said = "Too many requests are under way. Come back soon."
            await _refuse(send, 503, said, "busy", "system_error", retry_after=_COME_BACK)
            return
        try:
            await application(scope, receive, send)
        finally:
            give_back()

    return guarded


def _has_body(scope: Scope) -> bool:
    sent = dict(scope["headers"])
    return b"transfer-encoding" in sent or sent.get(b"content-length", b"0") != b"0"


async def _refuse(
    send: Send, status: int, detail: str, code: str, error_type: str, *, retry_after: int | None = None
) -> None:
    """The contract's error, and the end of the connection."""
    told = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "error_type": error_type,
        "code": code,
        "timestamp": time.time(),
        "request_id": uuid.uuid4().hex,
    }
    headers = [(b"content-type", b"application/problem+json"), (b"connection", b"close")]
    if retry_after is not None:
        told["retry_after"] = retry_after
        headers.append((b"retry-after", b"%d" % retry_after))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(told).encode()})


def _serve(settings: Any) -> None:
    from apiv2project.asgi import application

    import_module(settings.ROOT_URLCONF)
    env = settings.ENV
    listening.require_free(env.host, env.streams_port or DEFAULT_PORT)
    web.allow_open_files(_WATCHERS + 256)
    parent = os.getpid()

    def application_in_worker() -> Any:
        lifeline.end_with_parent(parent, signal.SIGKILL)
        return shared(without_bodies(application))

    Server(
        "apiv2project.asgi:application",
        address=env.host,
        port=env.streams_port or DEFAULT_PORT,
        interface=Interfaces.ASGINL,
        http=HTTPModes.http1,
        websockets=False,
        workers=1,
        backlog=4096,
        backpressure=_WATCHERS,
        http1_settings=HTTP1Settings(header_read_timeout=web.HEADERS_WITHIN, max_buffer_size=web.HEADER_BYTES),
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=web.GRACE,
        log_level=LogLevels.error,
        log_dictconfig=web.server_log(settings),
    ).serve(target_loader=application_in_worker, wrap_loader=False)


if __name__ == "__main__":
    main()
