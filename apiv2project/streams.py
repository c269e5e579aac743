"""The server of event streams: `python -m apiv2project.streams` serves the ASGI application on HOST and
API_V2_STREAMS_PORT.

A process beside the web server, for services that more people watch than it has threads for: a proxy sends
`/api/v2/tasks/{id}/events` here and everything else there.
"""

from __future__ import annotations

import json
import os
import signal
import time
import uuid
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server

from apiv2project import web
from processing.operations import lifeline, listening

if TYPE_CHECKING:
    from apiv2project.asgi import Receive, Scope, Send

    ASGIApplication = Callable[[Scope, Receive, Send], Awaitable[None]]

DEFAULT_PORT = 3001
_REFUSAL = [(b"content-type", b"application/problem+json"), (b"connection", b"close")]
_WATCHERS = 16_384  # connections that the process holds open at once


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    web.run(_serve)


def without_bodies(application: ASGIApplication) -> ASGIApplication:
    """Whoever watches has nothing to send. What is sent all the same is refused before it is received: this server has
    none of the bounds that the web server sets to bodies."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _has_body(scope):
            await send({"type": "http.response.start", "status": 413, "headers": _REFUSAL})
            await send({"type": "http.response.body", "body": _refusal()})
        else:
            await application(scope, receive, send)

    return guarded


def _has_body(scope: Scope) -> bool:
    sent = dict(scope["headers"])
    return b"transfer-encoding" in sent or sent.get(b"content-length", b"0") != b"0"


def _refusal() -> bytes:
    told = {
        "type": "about:blank",
        "title": "Request Entity Too Large",
        "status": 413,
        "detail": "Events are watched here, and nothing is taken. Send it to the web server.",
        "error_type": "validation_error",
        "code": "body_too_large",
        "timestamp": time.time(),
        "request_id": uuid.uuid4().hex,
    }
    return json.dumps(told).encode()


def _serve(settings: Any) -> None:
    from apiv2project.asgi import application

    import_module(settings.ROOT_URLCONF)
    env = settings.ENV
    listening.require_free(env.host, env.streams_port or DEFAULT_PORT)
    web.allow_open_files(_WATCHERS + 256)
    parent = os.getpid()

    def application_in_worker() -> Any:
        lifeline.end_with_parent(parent, signal.SIGKILL)
        return without_bodies(application)

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
