"""The side of the sandbox that the service sees: documents go in as descriptors, pages come out, and closing kills."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import processing
from processing.documents.contract import Format, Inspection, PagePicture, ReadOptions
from processing.documents.limits import Limits
from processing.documents.recognition_slots import RecognitionSlots
from processing.documents.sandbox.child import Job
from processing.documents.sandbox.reading import Reading
from processing.documents.sandbox.wire import EXTRA_FORMATS
from processing.errors import ServiceUnavailable

ROOT = Path(processing.__file__).parent.parent
DEFAULT_LIMITS = Limits()
MAX_PASSAGES, MAX_PASSAGE = 20, 1000


class Source(Protocol):
    """A file to be read; with a `fileno`, if it has one."""

    def read(self, size: int = ..., /) -> bytes: ...

    def seek(self, offset: int, whence: int = ..., /) -> Any: ...


@dataclass(frozen=True, slots=True)
class ShownPage:
    """Which page is to be shown, as a person counts it (1 …), and the passages that are to be marked on it."""

    number: int
    passages: Sequence[str] = ()

    def bounded(self) -> tuple[str, ...]:
        """The passages as a job holds them: a long one is found by its beginning."""
        return tuple(passage[:MAX_PASSAGE] for passage in self.passages[:MAX_PASSAGES])


class Sandbox:
    """The reader server of this process, started when it is first needed and again when it has died.

    Threads may share it. After a fork the child has a server of its own. `extra_formats` are modules that the server
    loads beside the registry's.
    """

    def __init__(self, extra_formats: Sequence[str] = ()) -> None:
        self._extra_formats = tuple(extra_formats)
        self._forget()
        _sandboxes.add(self)

    def _forget(self) -> None:
        self._starting = threading.Lock()
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def forget_after_fork(self) -> None:
        """Let go of the parent process's server, without ending it."""
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            self._process.returncode = 0  # Not ours to wait for.
        self._forget()

    @property
    def server_pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    @contextlib.contextmanager
    def reading(
        self,
        file: Source,
        format: Format,
        options: ReadOptions,
        *,
        deadline: float,
        limits: Limits = DEFAULT_LIMITS,
        recognition: RecognitionSlots | None = None,
    ) -> Iterator[Reading]:
        """Read a document in a child that is killed at the end of the block, or by `Reading.close` from any thread.

        `deadline` is a `time.monotonic()` value; waiting for one of the slots of `recognition` counts against it, and
        without slots a document is recognised at once. Raises `DocumentFailed` (codes of `outcome.py` and of the
        formats), `InvalidInput` (`type_mismatch`), `DeadlineExceeded` (`reading_timeout`, `recognition_timeout`),
        `ServiceUnavailable`.
        """
        with self._begin(Job("read", format.name, options, limits), file, deadline, recognition) as reading:
            reading.open()
            yield reading

    def inspect(
        self,
        file: Source,
        format: Format,
        *,
        deadline: float,
        limits: Limits = DEFAULT_LIMITS,
        password: str | None = None,
        enclosed: frozenset[str] = frozenset(),
    ) -> Inspection:
        """Whether a file is whole, and how many pages it has; None where `enclosed` names a format of which files are
        attached to it. Raises as `reading` does."""
        options = ReadOptions(ocr=False, password=password, enclosed=enclosed)
        with self._begin(Job("inspect", format.name, options, limits), file, deadline) as reading:
            return reading.inspection()

    def page_picture(
        self,
        file: Source,
        format: Format,
        shown: ShownPage,
        options: ReadOptions,
        *,
        deadline: float,
        recognition: RecognitionSlots | None = None,
    ) -> PagePicture:
        """One page with passages marked. Raises as `reading` does, and `NotFound` (`no_such_page`,
        `no_page_picture`)."""
        job = Job("show", format.name, options, DEFAULT_LIMITS, shown.number, shown.bounded())
        with self._begin(job, file, deadline, recognition) as reading:
            return reading.picture()

    def close(self) -> None:
        """End the server, and with it whatever it reads."""
        control, process = self._control, self._process
        self._control = self._process = None
        if control is not None:
            control.close()
        if process is not None:
            process.wait()

    def _begin(self, job: Job, file: Source, deadline: float, recognition: RecognitionSlots | None = None) -> Reading:
        answers, childs_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        outcome, servers_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        reading = Reading(answers, outcome, job, deadline, recognition)
        try:
            with childs_end, servers_end, _descriptor_of(file) as document:
                self._send(json.dumps(job.packed()).encode(), [document, childs_end.fileno(), servers_end.fileno()])
        except BaseException:
            reading.close()
            raise
        return reading

    def _send(self, message: bytes, descriptors: list[int]) -> None:
        """Hand a job to the server; if it has died since the last one, to a new server."""
        for _ in range(2):
            control = self._running()
            try:
                socket.send_fds(control, [message], descriptors)
            except (BrokenPipeError, ConnectionResetError, OSError):
                self._discard(control)
            else:
                return
        raise ServiceUnavailable("Documents cannot be read right now.", "reader_unavailable", retry_after=5)

    def _running(self) -> socket.socket:
        with self._starting:
            if self._control is None:
                self._control, self._process = self._start()
            return self._control

    def _discard(self, control: socket.socket) -> None:
        with self._starting:
            if self._control is control:
                control.close()
                if self._process is not None:
                    self._process.kill()
                    self._process.wait()
                self._control = self._process = None

    def _start(self) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        """A server whose life hangs on its control socket.

        Not on PR_SET_PDEATHSIG, which the kernel ties to the starting *thread*: a request's thread ends too early.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "processing.documents.sandbox.server"],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                env=self._environment(),
                cwd="/",
                start_new_session=True,
            )
        return ours, process

    def _environment(self) -> dict[str, str]:
        """Where programs and modules are, and nothing that is worth stealing."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "MALLOC_ARENA_MAX": "2",  # Threads of the text recognition would each take 64 MB of address space.
            # Without room to spare glibc grows and trims the heap at each page: a third of the time of a plain reading.
            "MALLOC_TOP_PAD_": str(16 * 1024 * 1024),
            # Setting that one ends glibc's own learning from what is freed: recognition mapped and unmapped its arrays
            # again and again, a third of its time. 32 MB would save little more, and cost 70 MB.
            "MALLOC_MMAP_THRESHOLD_": str(8 * 1024 * 1024),
            "MALLOC_TRIM_THRESHOLD_": str(64 * 1024 * 1024),
            "ORT_DISABLE_TELEMETRY": "1",  # onnxruntime would report to its maker; nothing leaves this machine.
            EXTRA_FORMATS: " ".join(self._extra_formats),
        }


@contextlib.contextmanager
def _descriptor_of(file: Source) -> Iterator[int]:
    """The file's descriptor; of a file without one, that of a nameless copy on disk."""
    try:
        descriptor = file.fileno()  # type: ignore[attr-defined]
    except (AttributeError, OSError):  # io.UnsupportedOperation is an OSError
        with tempfile.TemporaryFile() as copy:
            file.seek(0)
            shutil.copyfileobj(file, copy)
            copy.flush()
            yield copy.fileno()
    else:
        with contextlib.suppress(AttributeError, ValueError, OSError):
            file.flush()  # type: ignore[attr-defined]
        yield int(descriptor)


_sandboxes: weakref.WeakSet[Sandbox] = weakref.WeakSet()


def _after_fork() -> None:
    for sandbox in list(_sandboxes):
        sandbox.forget_after_fork()


def _at_exit() -> None:
    for sandbox in list(_sandboxes):
        sandbox.close()


os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)
