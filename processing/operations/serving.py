"""The process tree of `manage.py serve`: one parent that starts its services, restarts what dies, and ends them all."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import psutil

from processing.operations import lifeline
from processing.operations.listening import EXIT_CONFIGURATION

logger = logging.getLogger(__name__)

GRACE = 15.0  # seconds between asking the services to end and killing what is left
_LOOK = 0.25  # seconds between two looks at the services
_LIVED = 10.0  # seconds after which a service counts as having started
_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)  # seconds before each restart of a service that has not lived in between


@dataclass
class Service:
    """A program to keep running. Its processes form a group of their own, so that Ctrl-C reaches the parent alone."""

    name: str
    command: Sequence[str]
    directory: Path
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    started: float = field(default=0.0, init=False)
    failures: int = field(default=0, init=False)

    def start(self) -> None:
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            self.command,
            cwd=self.directory,
            env=lifeline.environment_for_children(),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None


class ProcessTree:
    """Runs the services until `stop` is set, or one of them cannot be kept running."""

    def __init__(self, services: Sequence[Service]) -> None:
        self._services = services
        self._others: set[int] = set()  # children that this process had before
        self.stop = threading.Event()

    def stop_on_signals(self) -> None:
        """SIGTERM, SIGINT and SIGHUP set `stop`."""

        def on_signal(_number: int, _frame: FrameType | None) -> None:
            self.stop.set()

        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, on_signal)

    def run(self) -> int:
        """Block until the end; returns the exit code, and leaves no process behind."""
        lifeline.adopt_orphans()
        self._others = {child.pid for child in psutil.Process().children()}
        try:
            for service in self._services:
                service.start()
            code = 0
            while code == 0 and not self.stop.wait(_LOOK):
                code = next((code for service in self._services if (code := self._look_after(service))), 0)
                lifeline.bury_orphans(self._mine())
            return code
        finally:
            self.stop.set()
            self._end()

    def _mine(self) -> set[int]:
        return self._others | {service.process.pid for service in self._services if service.process}

    def _look_after(self, service: Service) -> int:
        """Start the service again if it has died; returns the exit code if that is of no use."""
        if service.running:
            return 0
        assert service.process is not None  # noqa: S101  (run() has started it)
        code = service.process.returncode
        if code == EXIT_CONFIGURATION:  # the service has said why
            return code
        lived = time.monotonic() - service.started
        service.failures = 0 if lived >= _LIVED else service.failures + 1
        logger.error("service died", extra={"service": service.name, "exit_code": code, "lived": round(lived, 1)})
        if service.failures > len(_PAUSES):
            logger.critical("service cannot be kept running", extra={"service": service.name})
            return 1
        self._kill_all_but(self._mine())
        if not self.stop.wait(_PAUSES[max(0, service.failures - 1)]):
            service.start()
        return 0

    def _end(self) -> None:
        running = [service.process for service in self._services if service.process and service.running]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + GRACE
        for process in running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
        self._kill_all_but(self._others)

    def _kill_all_but(self, spared: set[int]) -> None:
        """Kill every other child and its descendants; the orphans of a dead service are our children by then."""
        left = [child for child in psutil.Process().children() if child.pid not in spared]
        _kill([*left, *(descendant for child in left for descendant in _children(child))])


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _kill(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    for process in processes:
        with contextlib.suppress(ChildProcessError):  # reaped by its own parent
            os.waitpid(process.pid, 0)
