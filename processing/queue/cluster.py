"""The processes that work on this host: django-q2's sentinel, pusher and workers, made so that any may be killed.

The sentinel is forked by the supervisor, the pusher and the workers by the sentinel; each dies with its parent. There
is no monitor: results are on the Task rows. The pool grows and shrinks while it runs: the sentinel forks what is
missing, and a worker that is one too many ends when it is idle.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import logging
import multiprocessing
import os
import signal
import sys
import time
import uuid
from collections.abc import Callable
from multiprocessing.context import ForkProcess

import psutil
from django.db import connections
from django_q import cluster as django_q2

from processing.queue.pipes import STOP, Again, Flag, Number, Pipe

logger = logging.getLogger(__name__)

_LOOK = 0.25  # seconds between two looks of the sentinel at its processes
_KILLED_WITHIN = 5.0  # seconds that the kernel gets to end a killed process
_PR_SET_PDEATHSIG = 1  # prctl(2)
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36


class Cluster:
    """A sentinel and all that it has forked. Make a new one after it died; it does not start twice."""

    def __init__(self, workers: int) -> None:
        self._stop = Flag()
        self._workers = Number(workers)
        self._process = process("sentinel", Sentinel, self._stop, self._workers)

    def start(self) -> None:
        """Fork the sentinel. Only from the main thread: by that thread's life the kernel measures the parent's."""
        connections.close_all()  # A connection that two processes share is of use to neither.
        _end_children_with_parents()
        self._process.start()

    def resize(self, workers: int) -> None:
        """Have so many workers, as soon as idle ones can be ended or new ones forked."""
        self._workers.value = workers

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive()

    @property
    def exit_code(self) -> int | None:
        return self._process.exitcode

    def bury_orphans(self) -> None:
        """Let go of what descendants left behind and what has ended by now: readers, above all, of a killed worker."""
        with contextlib.suppress(ChildProcessError):
            while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                if ended.si_pid == self._process.pid:
                    return
                os.waitpid(ended.si_pid, os.WNOHANG)

    def drain(self) -> None:
        """Start nothing new, let the workers end what they are at, and then end."""
        self._stop.set()

    def kill(self) -> None:
        """End every process now, whatever it is doing; returns when they are gone."""
        family = psutil.Process().children(recursive=True)
        for each in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        self._process.join(_KILLED_WITHIN)
        psutil.wait_procs(family, _KILLED_WITHIN)


class Sentinel(django_q2.Sentinel):  # type: ignore[misc]  # django-q2 has no types
    """django-q2's, with pipes that survive a killed reader, and a pool whose size can be changed."""

    def __init__(self, stop: Flag, workers: Number) -> None:
        super().__init__(stop, Flag(), uuid.uuid4(), start=False)
        self.task_queue = Pipe()
        self.result_queue = Again(self.task_queue)
        self.event_out = Flag()
        self._workers = workers
        self._leaving = 0  # idle workers that were told to end and have not ended yet
        self.start()

    def spawn_cluster(self) -> None:
        self.pusher = self.spawn_pusher()
        self._fit()

    def spawn_pusher(self) -> ForkProcess:
        pusher = process("pusher", django_q2.pusher, self.task_queue, self.event_out, self.broker)
        pusher.start()
        return pusher

    def spawn_worker(self) -> None:
        timer = Number(-1)
        worker = process("worker", django_q2.worker, self.task_queue, self.result_queue, timer, self.timeout)
        worker.timer = timer  # type: ignore[attr-defined]  # where django-q2 looks for it
        worker.start()
        self.pool.append(worker)

    def guard(self) -> None:
        self.start_event.set()
        while not self.stop_event.wait(_LOOK):
            self._bury()
            self._fit()
            if not self.pusher.is_alive():
                logger.error("pusher died", extra={"exit_code": self.pusher.exitcode})
                self.pusher = self.spawn_pusher()
        self.stop()

    def stop(self) -> None:
        """Let nothing new begin; return when the last worker has ended what it was at."""
        self.pusher.kill()
        self.pusher.join()
        self.task_queue.end()
        while self.pool:
            time.sleep(0.05)
            self._bury()

    def _bury(self) -> None:
        """Take the dead out of the pool."""
        for worker in [each for each in self.pool if not each.is_alive()]:
            self.pool.remove(worker)
            if worker.exitcode != 0:
                logger.error("worker died", extra={"worker": worker.pid, "exit_code": worker.exitcode})
            elif worker.timer.value == -1:  # It was told to; a recycled one leaves another number.
                self._leaving = max(0, self._leaving - 1)

    def _fit(self) -> None:
        """Fork the workers that are missing; tell as many as are too many to end."""
        wanted = self._workers.value
        while len(self.pool) < wanted:
            self.spawn_worker()
        while len(self.pool) - self._leaving > wanted and self.task_queue.put(STOP):
            self._leaving += 1


def process(part: str, target: Callable[..., object], *args: object) -> ForkProcess:
    """A process to be forked from this one, called `part` by `ps`."""
    return multiprocessing.get_context("fork").Process(target=_play, args=(part, target, *args), name=part)


def _play(part: str, target: Callable[..., object], *args: object) -> None:
    if sys.platform == "linux":
        _prctl()(_PR_SET_NAME, f"api-v2 {part}".encode())  # What `ps` and `top` show.
    target(*args)


@functools.cache
def _end_children_with_parents() -> None:
    """From now on the kernel kills what this process or a child of it forks, when its parent ends; what they exec'd
    becomes a child of this process."""
    if sys.platform == "linux":
        _prctl()(_PR_SET_CHILD_SUBREAPER, 1)
    os.register_at_fork(before=_remember_parent, after_in_child=_die_with_parent)


_parent = 0


def _remember_parent() -> None:
    global _parent
    _parent = os.getpid()


def _die_with_parent() -> None:
    if sys.platform == "linux":
        _prctl()(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != _parent:  # It died before the kernel knew.
        os._exit(1)


@functools.cache
def _prctl() -> Callable[..., int]:
    function: Callable[..., int] = ctypes.CDLL(None, use_errno=True).prctl
    return function
