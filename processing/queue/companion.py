"""A process beside the cluster that does other work of this host, forked by the supervisor and kept running by it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable

import psutil
from django.db import connections

from processing.queue import cluster


class Companion:
    """Runs `work`, which returns after SIGTERM, in a process named `name` (at most 8 letters). What it dies of, the
    cluster outlives."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self._name = name
        self._work = work
        self._pid: int | None = None

    def start(self) -> None:
        """Fork it. Only from the main thread, and while no other thread is at work: a fork copies locks as they are."""
        connections.close_all()  # A connection that two processes share is of use to neither.
        process = cluster.process(self._name, self._work)
        process.start()
        self._pid = process.pid

    @property
    def is_alive(self) -> bool:
        if self._pid is None:
            return False
        try:  # Not by `waitpid`: the supervisor buries whatever of its children has ended.
            process = psutil.Process(self._pid)
            return process.ppid() == os.getpid() and bool(process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False

    def stop(self) -> None:
        """Ask it to end."""
        if self.is_alive and self._pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGTERM)
