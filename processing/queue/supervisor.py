"""Runs the cluster of workers on this host, sees that it works, says that it is alive, and ends it in good order."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from datetime import datetime
from types import FrameType

import psutil
from django.db import Error, connection

from processing.queue import host, reconcile
from processing.queue.cluster import Cluster
from processing.queue.companion import Companion
from processing.queue.contact import Contact
from processing.queue.progress import Progress
from processing.runtime.capacity import effective_max_concurrent
from processing.runtime.configuration import current, warn_of_overridden_environment
from processing.tasks import leases, losses

logger = logging.getLogger(__name__)

GRACE = 10.0  # seconds that running tasks get to end after SIGTERM; then they go back to the queue
_LOOK = 0.5  # seconds between two looks at the processes
_BEAT = 2.0  # seconds between two heartbeats of the host
_LIVED = 30.0  # seconds after which a cluster counts as having started
_ROUND = 10.0  # seconds that a round of reconciliation gets to end before this process forks
_PAUSES = (0.1, 0.5, 1.0, 2.0, 4.0, 8.0)  # seconds before each restart of a cluster that has not lived in between


def run(deliver: Callable[[], None] | None = None) -> int:
    """Block until SIGTERM or SIGINT, the second of which ends what the first lets end by itself; returns 0. `deliver`
    is what a process beside the cluster does, until SIGTERM.

    Raises `host.NameTakenError` where another cluster has this host's name.
    """
    warn_of_overridden_environment()
    supervisor = Supervisor(deliver)
    supervisor.stop_on_signals()
    supervisor.run()
    return 0


class Supervisor:
    """Keeps one cluster at work until `stop` is set; `hurry` cuts its end short."""

    def __init__(self, deliver: Callable[[], None] | None = None) -> None:
        self._deliverer = None if deliver is None else Companion("delivery", deliver)
        self._delivered = 0.0  # when the deliverer was last started
        self.stop = threading.Event()
        self.hurry = threading.Event()
        self._progress = Progress()
        self._contact = Contact()
        self._workers = 0
        self._failures = 0
        self._started = 0.0
        self._beaten = 0.0

    def stop_on_signals(self) -> None:
        """SIGTERM and SIGINT set `stop`, and then `hurry`."""

        def on_signal(_number: int, _frame: FrameType | None) -> None:
            (self.hurry if self.stop.is_set() else self.stop).set()

        signal.signal(signal.SIGTERM, on_signal)
        signal.signal(signal.SIGINT, on_signal)

    def run(self) -> None:
        """Block until the end. Raises `host.NameTakenError`, with all processes ended."""
        host.take_name(self.stop)
        if self.stop.is_set():
            return
        self._workers = effective_max_concurrent(current().parameters)
        since = host.say_started(self._workers)
        leases.end(leases.of_host(host.name()))  # A former cluster's: its processes ended with it.
        cluster = self._new_cluster()
        self._keep_delivering()
        logger.info("cluster started", extra={"workers": self._workers, "pid": os.getpid()})
        while not self.stop.wait(_LOOK):
            if not cluster.is_alive:
                logger.critical("cluster died", extra={"exit_code": cluster.exit_code})
            elif self._look(cluster, since):
                continue
            else:
                logger.critical("cluster does not take tasks that are due")
            cluster = self._replaced(cluster)
        self._end(cluster, since)

    def _look(self, cluster: Cluster, since: datetime) -> bool:
        """Give back what dead workers held, keep the pool as large as it is to be, and renew the host's row; False when
        the cluster lives and does not work. A database that does not answer is no reason to end a cluster, whose
        workers may be in the middle of their work."""
        self._keep_delivering()
        cluster.bury_orphans()
        try:
            end_leases_of_the_dead()
            self._workers = effective_max_concurrent(current().parameters)
            cluster.resize(self._workers)
            if time.monotonic() - self._beaten < _BEAT:
                return True
            self._beaten = time.monotonic()
            self._beat(since)
            return not self._progress.has_stalled()
        except host.NameTakenError:
            cluster.kill()
            raise
        except Error:
            logger.warning("heartbeat could not be written", exc_info=True)
            connection.close()
            self._contact.lost()
            self._progress.forget()
            return True

    def _beat(self, since: datetime) -> None:
        """Say that the host is alive, and give back what died elsewhere; not while workers that live may be those that
        could not renew their leases."""
        host.say_alive(self._workers, since)
        self._contact.answered()
        steady = self._contact.is_steady()
        if steady:
            losses.reap()
        reconcile.maybe_run(reap=steady)

    def _keep_delivering(self) -> None:
        """Start the deliverer where there is none: not while another thread works here, whose locks a fork would copy,
        and not again at once where it dies at once."""
        if self._deliverer is None or self._deliverer.is_alive or reconcile.is_at_work():
            return
        if self._delivered:
            if time.monotonic() - self._delivered < _PAUSES[-1]:
                return
            logger.error("deliverer died")
        self._delivered = time.monotonic()
        try:
            self._deliverer.start()
        except OSError:  # No memory or no process left to be had; the cluster goes on.
            logger.warning("deliverer could not be started", exc_info=True)

    def _new_cluster(self) -> Cluster:
        self._progress.forget()
        self._started = time.monotonic()
        cluster = Cluster(self._workers)
        cluster.start()
        return cluster

    def _replaced(self, cluster: Cluster) -> Cluster:
        """A new cluster, once nothing is left of the old one; the more often it dies, the later."""
        lived = time.monotonic() - self._started
        self._failures = 0 if lived >= _LIVED else self._failures + 1
        cluster.kill()
        reconcile.wait(_ROUND)  # A fork copies locks as they are; whoever is to release them is not in the copy.
        self.stop.wait(_PAUSES[min(self._failures, len(_PAUSES) - 1)])
        return cluster if self.stop.is_set() else self._new_cluster()

    def _end(self, cluster: Cluster, since: datetime) -> None:
        """Let running tasks end within the grace time, kill what is left, and give its tasks back to the queue."""
        logger.info("cluster stopping", extra={"grace": GRACE})
        family = _family()
        cluster.drain()
        if self._deliverer is not None:
            self._deliverer.stop()
        end = time.monotonic() + GRACE
        while self._is_at_work(cluster) and time.monotonic() < end and not self.hurry.wait(0.05):
            continue
        family |= _family()  # The sentinel may have forked once more before it saw that it is to stop.
        cluster.kill()
        try:
            released = losses.release_host(host.name(), family)
            host.say_gone(since)
        except Error:
            logger.warning("tasks wait for their leases to run out: the database did not answer", exc_info=True)
        else:
            logger.info("cluster stopped", extra={"tasks_released": released})

    def _is_at_work(self, cluster: Cluster) -> bool:
        return cluster.is_alive or (self._deliverer is not None and self._deliverer.is_alive)


def _family() -> set[int]:
    return {process.pid for process in psutil.Process().children(recursive=True)}


def end_leases_of_the_dead() -> None:
    """Give back, at once, what processes of this host held that are no more."""
    leases.end([lease for lease in leases.of_host(host.name()) if not _lives(lease.pid)])


def _lives(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
