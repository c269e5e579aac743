"""Whom a chaos run kills: every kind of process of the service, found as it is at the moment."""

from __future__ import annotations

import contextlib
import random
import time
from dataclasses import dataclass

import httpx
import psutil

from tests.stack import service as stack
from tests.stack.chaos_rows import Row, Rows
from tests.stack.processes import PATIENCE, Parts, is_there, kill, readers, until
from tests.stack.service import RunningService

_MODEST = 8.0  # seconds to wait for a worker that is in a passing state

IDLE_WORKER = "worker, idle"
PARSING_WORKER = "worker, parsing"
CALLING_WORKER = "worker, in a model call"
READER = "reader server"
READING = "reader child"
PUSHER = "pusher"
SENTINEL = "sentinel"
CLUSTER = "cluster supervisor"
WEB = "web parent"
WEB_CHILD = "web child"
TREE = "whole tree, started again"
STOP = "service stopped by SIGTERM, started again"  # no kill, and so none of the kinds
KINDS = (
    IDLE_WORKER, PARSING_WORKER, CALLING_WORKER, READER, READING, PUSHER, SENTINEL, CLUSTER, WEB, WEB_CHILD, TREE,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kill:
    """Who was killed, when (Unix seconds), and the tasks that the processes which died with it were at."""

    kind: str
    at: float
    tasks: list[Row]


class Killer:
    """Kills parts of one service. `port` is the upstream's: by a connection to it a model call is known."""

    def __init__(self, service: RunningService, rows: Rows, port: int, chance: random.Random) -> None:
        self._service = service
        self._parts = Parts(service)
        self._rows = rows
        self._port = port
        self._chance = chance

    def kill(self, kind: str) -> Kill:
        """Kill one process of this kind, or a near relation if none of the kind shows up in some seconds; return when
        it is gone, and the service, if it was all of it, has been started again and is healthy."""
        if kind == STOP:
            at, tasks = time.time(), self._rows.running()
            assert self._service.end() == 0
            restart(self._service)
            return Kill(kind, at, tasks)
        victims = {
            PARSING_WORKER: self._parsing_worker,
            READER: lambda: self._reader(1),
            READING: lambda: self._reader(2),
            CALLING_WORKER: self._calling_worker,
            IDLE_WORKER: self._idle_worker,
            WEB_CHILD: lambda: self._one_of(self._web().children()),
            WEB: self._web,
            CLUSTER: lambda: self._one_of(self._parts.playing("cluster")),
            PUSHER: lambda: self._one_of(self._parts.playing("pusher")),
            SENTINEL: lambda: self._one_of(self._parts.playing("sentinel")),
        }
        if kind == TREE:
            killed = self._kill_now(TREE, self._service.processes())
            self._service.process.wait(PATIENCE)
            restart(self._service)
            return killed
        victim = until(victims[kind])
        return self._kill_now(kind, [victim])

    def busy_workers(self) -> int:
        """How many workers have the upstream on the line."""
        return sum(self._is_calling(each) for each in self._parts.playing("worker"))

    def _kill_now(self, kind: str, processes: list[psutil.Process]) -> Kill:
        doomed = {each.pid for process in processes for each in _family(process)}
        at_work = [row for row in self._rows.running() if row.worker_pid in doomed]
        at = time.time()
        kill(*processes)
        if kind in (PUSHER, READER, READING):  # Their deaths leave the worker alive.
            at_work = []
        return Kill(kind, at, at_work)

    def _one_of(self, processes: list[psutil.Process]) -> psutil.Process | None:
        there = [process for process in processes if is_there(process)]
        return self._chance.choice(there) if there else None

    def _web(self) -> psutil.Process:
        return until(lambda: self._one_of(self._parts.playing("apiv2project.web")))

    def _idle_worker(self) -> psutil.Process | None:
        busy = {row.worker_pid for row in self._rows.running()}
        return self._one_of([each for each in self._parts.playing("worker") if each.pid not in busy])

    def _calling_worker(self) -> psutil.Process | None:
        return self._one_of([each for each in self._parts.playing("worker") if self._is_calling(each)])

    def _is_calling(self, worker: psutil.Process) -> bool:
        with contextlib.suppress(psutil.Error):
            return any(each.raddr and each.raddr.port == self._port for each in worker.net_connections("tcp"))
        return False

    def _parsing_worker(self) -> psutil.Process | None:
        end = time.monotonic() + _MODEST
        while time.monotonic() < end:
            with contextlib.suppress(psutil.NoSuchProcess):
                if found := self._one_of([each for each in self._parts.playing("worker") if readers(each)]):
                    return found
        return self._calling_worker()

    def _reader(self, depth: int) -> psutil.Process | None:
        """The reader server of a worker that has a document read (1), or the child that reads it (2)."""
        end = time.monotonic() + _MODEST
        while time.monotonic() < end:
            with contextlib.suppress(psutil.NoSuchProcess):
                at_work = [it for each in self._parts.playing("worker") for it in readers(each)]
                if reader := self._one_of(at_work):
                    return reader.parent() if depth == 1 else reader
        return self._one_of([it for each in self._parts.playing("worker") for it in each.children()])


def restart(service: RunningService) -> None:
    """Start a service that has been killed again, on the same data and port; return when it is healthy."""
    assert service.process.stdout is not None
    service.process.stdout.close()
    service.process = stack.start(service.environment, service.data_dir)
    until(lambda: service.process.poll() is None and is_healthy(service))


def is_healthy(service: RunningService) -> bool:
    reply = httpx.get(f"{service.url}/api/v2/health", trust_env=False, timeout=5)
    return reply.status_code == 200 and set(reply.json()["services"].values()) == {"healthy"}


def _family(process: psutil.Process) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return [process, *process.children(recursive=True)]
    return [process]
