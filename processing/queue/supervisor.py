"""Runs the cluster of workers on this host, says that it is alive, and ends it in good order."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import threading
from types import FrameType

import psutil
from django.db import Error, connection, connections
from django_q.cluster import Cluster
from django_q.conf import Conf

from processing.queue import host, reconcile
from processing.runtime.capacity import effective_max_concurrent
from processing.runtime.configuration import current, warn_of_overridden_environment
from processing.tasks import lifecycle

logger = logging.getLogger(__name__)

GRACE = 10.0  # seconds that running tasks get to end after SIGTERM; then they go back to the queue
_BEAT = 2.0  # seconds between two heartbeats of the host
_PR_SET_PDEATHSIG = 1


def run() -> int:
    """Block until SIGTERM or SIGINT; returns the exit code: 0, or 1 when the cluster died by itself."""
    warn_of_overridden_environment()
    stop = threading.Event()
    workers = effective_max_concurrent(current().parameters)
    cluster = _started_cluster(workers)

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    host.say_started(workers)
    logger.info("cluster started", extra={"workers": workers, "pid": os.getpid()})
    while not stop.wait(_BEAT):
        if not cluster.sentinel.is_alive():
            logger.critical("cluster died", extra={"exit_code": cluster.sentinel.exitcode})
            return 1
        _beat()
    _end(cluster)
    return 0


def _beat() -> None:
    """Say that the host is alive, and give back what died elsewhere. A database that does not answer is no reason to
    end the cluster: its workers may be in the middle of their work."""
    try:
        host.say_alive(effective_max_concurrent(current().parameters))
        lifecycle.reap()
        reconcile.maybe_run()
    except Error:
        logger.warning("heartbeat could not be written", exc_info=True)
        connection.close()


def _started_cluster(workers: int) -> Cluster:
    """The cluster with its processes forked; each of them dies with the process that made it."""
    connections.close_all()  # A connection that two processes share is of use to neither.
    os.register_at_fork(after_in_child=_die_with_parent)
    Conf.WORKERS = workers
    cluster = Cluster()
    cluster.start()
    return cluster


def _die_with_parent() -> None:
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _end(cluster: Cluster) -> None:
    """Let running tasks end within the grace time, kill what is left, and give its tasks back to the queue."""
    logger.info("cluster stopping", extra={"grace": GRACE})
    cluster.stop_event.set()
    cluster.sentinel.join(GRACE)
    for process in psutil.Process().children(recursive=True):
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    released = lifecycle.release_host(host.name())
    host.say_gone()
    logger.info("cluster stopped", extra={"tasks_released": released})
