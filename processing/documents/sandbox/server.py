"""The warm parent of the reading children: it imports the parsers once and forks a child for each job, one ahead.

    python -m processing.documents.sandbox.server

It is exec'd with a clean environment and one socket, its standard input. A message on it is a job (JSON) with three
descriptors: the document, the child's end of the answers, the server's end of the outcome. A client that closes the
outcome takes the job back, and the child is killed; a client that ends closes the control socket, and the server ends.
It parses no document itself, so that it lives; the job goes on to the child that waits for it.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import resource
import selectors
import signal
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

from processing.documents import registry
from processing.documents.contract import Format, Warming
from processing.documents.sandbox import child
from processing.documents.sandbox.wire import EXTRA_FORMATS

MAX_CHILD_DESCRIPTORS = 1024
IDLE = 0.02  # seconds without a job before a child is forked for the next one: where jobs press, it would hold them up


def main() -> None:
    """Serve until the client hangs up."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = MAX_CHILD_DESCRIPTORS if most == resource.RLIM_INFINITY else min(most, MAX_CHILD_DESCRIPTORS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, most))
    kinds = _formats()
    _warm(kinds)
    Server(socket.socket(fileno=os.dup(0)), kinds).serve()


def _formats() -> dict[str, Format]:
    """The registry's, and those of the modules that the process which started this one names: mocks, in tests."""
    extra: list[ModuleType] = [importlib.import_module(each) for each in os.environ.get(EXTRA_FORMATS, "").split()]
    return {**registry.all_formats(), **registry.collect(extra)}


def _warm(kinds: dict[str, Format]) -> None:
    for kind in kinds.values():
        for module in kind.modules:
            with contextlib.suppress(ImportError):
                importlib.import_module(module)
        if isinstance(kind, Warming):
            with contextlib.suppress(Exception):
                kind.warm()
    gc.collect()
    gc.freeze()


@dataclass(frozen=True, slots=True)
class Waiting:
    """A child that waits for its job, and the way by which it gets it."""

    pid: int
    control: socket.socket

    def take(self, message: bytes, descriptors: Sequence[int]) -> int:
        """Give it its job; its process id. Raises `OSError` if it has died."""
        with self.control:
            socket.send_fds(self.control, [message], descriptors)
        return self.pid


class Server:
    """One loop over the control socket, the outcomes of the running jobs, and the deaths of their children."""

    def __init__(self, control: socket.socket, kinds: dict[str, Format]) -> None:
        self.control = control
        self.kinds = kinds
        self.running: dict[int, socket.socket] = {}
        self.waiting: Waiting | None = None
        self.may_fork_ahead = True
        self.selector = selectors.DefaultSelector()
        self.deaths, alarm = os.pipe()
        for descriptor in (self.deaths, alarm):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(alarm, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.selector.register(control, selectors.EVENT_READ)
        self.selector.register(self.deaths, selectors.EVENT_READ)

    def serve(self) -> None:
        while True:
            # Beside a job that runs, a child that waits would take memory.
            events = self.selector.select(IDLE if self.may_fork_ahead and not self.running else None)
            if not events:
                self._fork_ahead()
            for key, _ in events:
                if key.fileobj is self.control:
                    if not self._take_job():
                        return self._kill_all()
                elif key.fileobj == self.deaths:
                    self._reap()
                elif key.data in self.running:  # else it has just died
                    self._kill(key.data)  # The client hung up: nothing else makes an outcome readable.

    def _take_job(self) -> bool:
        """Hand on the next job; False where the client has gone."""
        try:
            message, descriptors, _, _ = socket.recv_fds(self.control, child.MAX_JOB, 3)
        except ConnectionResetError:
            return False
        if not message:
            return False
        document, answers, outcome = descriptors
        watched = socket.socket(fileno=outcome)
        try:
            pid = self._handed_on(message, [document, answers])
        except OSError:
            watched.close()  # An outcome that ends without a word: the client may try again later.
        else:
            self.running[pid] = watched
            self.selector.register(watched, selectors.EVENT_READ, pid)
        os.close(document)
        os.close(answers)
        self.may_fork_ahead = True
        return True

    def _handed_on(self, message: bytes, descriptors: Sequence[int]) -> int:
        """The child that has the job now: the one that waited for it, or another if that has died. Raises `OSError`."""
        waiting, self.waiting = self.waiting or self._forked(), None
        try:
            return waiting.take(message, descriptors)
        except (BrokenPipeError, ConnectionResetError):
            return self._forked().take(message, descriptors)

    def _fork_ahead(self) -> None:
        """Have a child that waits for the next job, so that its start is no part of the time a document takes. If it
        dies, the next job gets another: one that cannot live is not started again and again."""
        self.may_fork_ahead = False
        with contextlib.suppress(OSError):
            self.waiting = self._forked(ahead=True)

    def _forked(self, *, ahead: bool = False) -> Waiting:
        """A new child; with time to prepare itself where it is `ahead` of its job. Raises `OSError`."""
        server = os.getpid()
        control, childs_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with childs_end, contextlib.ExitStack() as unless_forked:
            unless_forked.callback(control.close)
            pid = os.fork()
            if pid == 0:
                child.run(childs_end.fileno(), self.kinds, server, ahead=ahead)  # which does not return
            unless_forked.pop_all()
        return Waiting(pid, control)

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self.deaths, 4096):
                pass
        with contextlib.suppress(ChildProcessError):
            while (ended := os.wait4(-1, os.WNOHANG))[0]:
                self._bury(*ended)

    def _bury(self, pid: int, status: int, usage: resource.struct_rusage) -> None:
        if pid in self.running:
            self._report(pid, status, usage)
        elif self.waiting is not None and self.waiting.pid == pid:
            self.waiting.control.close()
            self.waiting = None

    def _report(self, pid: int, status: int, usage: resource.struct_rusage) -> None:
        outcome = self.running.pop(pid)
        with contextlib.suppress(KeyError):
            self.selector.unregister(outcome)
        self._kill_group(pid)
        ended = {
            "status": os.waitstatus_to_exitcode(status),
            "peak_mb": usage.ru_maxrss / 1024,
            "cpu_seconds": usage.ru_utime + usage.ru_stime,
        }
        with outcome, contextlib.suppress(OSError):
            outcome.send(json.dumps(ended).encode(), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)

    def _kill(self, pid: int) -> None:
        """The child ends; its death is reported as any other."""
        self.selector.unregister(self.running[pid])
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def _kill_all(self) -> None:
        for pid in self.running:
            self._kill_group(pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    @staticmethod
    def _kill_group(pid: int) -> None:
        """What the child started dies with it."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
