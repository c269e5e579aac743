"""The server of metrics: `python -m apiv2project.metrics` serves `GET /metrics` on API_V2_METRICS_HOST and
API_V2_METRICS_PORT, and nothing else.

A process beside the web server, for services whose metrics are not to be reached where their API is.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server

from apiv2project import web
from processing.operations import lifeline, listening

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

DEFAULT_PORT = 9464  # as exporters of OpenTelemetry have it
_THREADS = 4
_PATH = "/metrics"


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    lifeline.end_with_server()
    import django
    from django.conf import settings

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "apiv2project.settings")
    django.setup()
    env = settings.ENV
    host, port = env.metrics_host or env.host, env.metrics_port or DEFAULT_PORT
    application = _application()
    try:
        listening.require_free(host, port)
    except listening.AddressUnavailableError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(listening.EXIT_CONFIGURATION) from None
    parent = os.getpid()

    def application_in_worker() -> WSGIApplication:
        lifeline.end_with_parent(parent, signal.SIGKILL)
        return application

    Server(
        "apiv2project.metrics:application",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        websockets=False,
        workers=1,
        blocking_threads=_THREADS,
        http1_settings=HTTP1Settings(header_read_timeout=web.HEADERS_WITHIN, max_buffer_size=web.HEADER_BYTES),
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=web.GRACE,
        log_level=LogLevels.error,
        log_dictconfig=web.server_log(settings),
    ).serve(target_loader=application_in_worker, wrap_loader=False)


def _application() -> WSGIApplication:
    """Without Django's middleware, whose names of hosts are those that clients call the API by."""
    from django.core.handlers.wsgi import WSGIRequest

    from processing.api import errors, metrics

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = WSGIRequest(environ)
        if request.path.rstrip("/") != _PATH:
            response = errors.not_found(request, Exception())
        elif request.method not in ("GET", "HEAD"):
            response = metrics.method_not_allowed(request)
        else:
            response = metrics.answered(request)
        start_response(f"{response.status_code} {response.reason_phrase}", list(response.items()))
        return [] if request.method == "HEAD" else [response.content]

    return application


if __name__ == "__main__":
    main()
