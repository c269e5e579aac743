"""The processes of a running service by the part that they play; any of them may vanish while it is looked at."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import TypeVar

import httpx
import psutil

from tests.stack.service import RunningService

PATIENCE = 60.0  # seconds until what is waited for must be there
Found = TypeVar("Found")


def until(look: Callable[[], Found | None]) -> Found:
    """What `look` finds, as soon as it finds something; processes and connections may vanish while it looks."""
    end = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(psutil.NoSuchProcess, httpx.TransportError):
            if found := look():
                return found
        assert time.monotonic() < end, look
        time.sleep(0.02)


def is_there(process: psutil.Process) -> bool:
    """Whether it runs; one that has died and waits for its parent does not."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


def kill(*processes: psutil.Process) -> None:
    """Kill them, those that are still there, and wait until they are gone."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    until_gone(*processes)


def until_gone(*processes: psutil.Process) -> None:
    until(lambda: not any(is_there(each) for each in processes))


class Parts:
    """The processes of one service."""

    def __init__(self, service: RunningService) -> None:
        self.service = service

    def playing(self, part: str) -> list[psutil.Process]:
        """`cluster` and `apiv2project.web` are children of the service's own, the others parts of the cluster."""
        if part in ("cluster", "apiv2project.web"):
            children = psutil.Process(self.service.process.pid).children()
            return [each for each in children if part in told(each.cmdline)]
        return [each for each in self.service.processes() if told(each.name) == f"api-v2 {part}"]

    def the(self, part: str) -> psutil.Process:
        """One of them, as soon as there is one."""
        return until(lambda: next(iter(self.playing(part)), None))

    def all_there(self, workers: int) -> bool:
        """Whether each part is played, and by no more than it should."""
        counts = [len(self.playing(part)) for part in ("cluster", "sentinel", "pusher", "worker")]
        return counts == [1, 1, 1, workers]


def readers(worker: psutil.Process) -> list[psutil.Process]:
    """The processes that read a document for a worker now; beside them one waits for the next document."""
    with contextlib.suppress(psutil.NoSuchProcess):
        below = [child for server in worker.children() for child in server.children()]
        return [each for each in below if told(each.name) == "api-v2 reading"]
    return []


def told(what: Callable[[], str | list[str]]) -> str | list[str]:
    """A process's name or command; nothing of one that is gone."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return what()
    return ""
