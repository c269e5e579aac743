"""The web server: `python -m apiv2project.web` serves the WSGI application on HOST and PORT.

granian, because it alone of the servers tried answers `health` at once while clients hold hundreds of connections
half-open (the figures are in docs/architecture.md).
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server

from processing.operations import data_directory, lifeline, listening

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

HEADERS_WITHIN = 10_000  # milliseconds
HEADER_BYTES = 65_536
_CONNECTIONS = 4096  # that one process holds open at once; a thread is taken only when a request has arrived
GRACE = 8  # seconds for requests that are under way when the server is asked to stop


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    run(_serve)


def run(serve: Callable[[Any], None]) -> None:
    """`serve` with the settings, from a data directory that nobody restores meanwhile; what keeps it from serving is
    said in one sentence."""
    lifeline.end_with_server()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "apiv2project.settings")
    from django.conf import settings

    try:
        with data_directory.used(settings.DATA_DIR):
            serve(settings)
    except (listening.AddressUnavailableError, data_directory.DataDirectoryInUseError) as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(listening.EXIT_CONFIGURATION) from None


def _serve(settings: Any) -> None:
    env = settings.ENV
    listening.require_free(env.host, env.port)  # Before the counts of a server that has the port are cleared away.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(settings.WEB_METRICS_DIR)  # prometheus_client looks on its import
    from processing.operations import web_metrics

    web_metrics.begin()
    from apiv2project.wsgi import application

    import_module(settings.ROOT_URLCONF)  # all views are loaded before the fork: the processes share the memory

    allow_open_files(2 * _CONNECTIONS)
    parent = os.getpid()

    def application_in_worker() -> WSGIApplication:
        lifeline.end_with_parent(parent, signal.SIGKILL)
        return application

    Server(
        "apiv2project.wsgi:application",
        address=env.host,
        port=env.port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        websockets=False,
        workers=env.web_processes,
        blocking_threads=env.web_threads,
        backpressure=_CONNECTIONS,
        http1_settings=HTTP1Settings(header_read_timeout=HEADERS_WITHIN, max_buffer_size=HEADER_BYTES),
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=GRACE,
        log_level=LogLevels.error,
        log_dictconfig=server_log(settings),
    ).serve(target_loader=application_in_worker, wrap_loader=False)


def server_log(settings: Any) -> dict[str, Any]:
    """The server's own log, where the service's goes, and nothing on stdout."""
    handlers = settings.LOGGING["root"]["handlers"]
    own = {"_granian": {"handlers": handlers, "level": "ERROR", "propagate": False}}
    return {**settings.LOGGING, "loggers": {**settings.LOGGING["loggers"], **own}}


def allow_open_files(wanted: int) -> None:
    """Let this process and its children hold so many files and connections open, as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    main()
