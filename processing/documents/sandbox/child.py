"""The process that reads one document: it takes its limits, sends what it reads, and ends."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import gc
import json
import os
import resource
import signal
import socket
import sys
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from processing.documents import enclosures, ocr, page_picture
from processing.documents.contract import Format, Page, ReadOptions, UnreadableDocument, Warming
from processing.documents.limits import Limits
from processing.documents.sandbox import wire

PR_SET_PDEATHSIG = 1  # prctl(2)
PR_SET_NAME = 15
OOM_SCORE = "900"
MAX_JOB = 128 * 1024


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """What a client asks of a child: `verb` is `inspect`, `read` or `show`; the last is of page `number`, with these
    `passages` marked."""

    verb: str
    format: str
    options: ReadOptions
    limits: Limits
    number: int = 1
    passages: tuple[str, ...] = ()

    def packed(self) -> dict[str, Any]:
        options = dataclasses.asdict(self.options)
        options["only"] = None if self.options.only is None else _spans(self.options.only)
        options["enclosed"] = sorted(self.options.enclosed)
        limits = dataclasses.asdict(self.limits)
        page = {"number": self.number, "passages": list(self.passages)}
        return {"verb": self.verb, "format": self.format, "options": options, "limits": limits, **page}

    @classmethod
    def unpacked(cls, data: dict[str, Any]) -> Job:
        only, enclosed = data["options"].pop("only"), frozenset(data["options"].pop("enclosed"))
        options = ReadOptions(**data["options"], only=None if only is None else _numbers(only), enclosed=enclosed)
        page = data["number"], tuple(data["passages"])
        return cls(data["verb"], data["format"], options, Limits(**data["limits"]), *page)


def _spans(numbers: Collection[int]) -> list[list[int]]:
    """The first and the last of each run of numbers: a message holds no hundred thousand of them."""
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return spans


def _numbers(spans: Iterable[list[int]]) -> frozenset[int]:
    return frozenset(number for first, last in spans for number in range(first, last + 1))


def run(control: int, kinds: Mapping[str, Format], server: int, *, ahead: bool) -> NoReturn:
    """Be the child, from the fork to the end. Its job comes by the descriptor `control`, with those of the document and
    of the answers; if it is `ahead` of it, there is time to prepare."""
    status = 1
    try:
        gc.disable()
        _die_with(server)
        _let_go_of_everything_but(control)
        if ahead:
            _be_called("api-v2 reader")
            _warm(kinds.values())
        job, document, stream = _awaited(control)
        _be_called("api-v2 reading")
        _take_limits(job)
        sender = wire.Sender(stream)
        ocr.wait_before_loading(lambda: _wait_for_turn(stream, sender))
        _answer(job, kinds[job.format], _reopened(document), sender)
        status = 0
    finally:
        os._exit(status)


def _die_with(server: int) -> None:
    """No life after the server, and a session of its own, so that what the child may have started can be killed."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE)
    if os.getppid() != server:
        os._exit(1)


def _be_called(name: str) -> None:
    """What `ps` and `top` show: who waits, and who has a document. 15 bytes at most."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode(), 0, 0, 0)


def _let_go_of_everything_but(kept: int) -> None:
    """Close the server's control socket above all: through it come the documents of others."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    os.closerange(3, kept)
    os.closerange(kept + 1, max(kept + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0]))


def _warm(kinds: Iterable[Format]) -> None:
    """Make what a first file needs this process's own, so that the kernel need not while there is a document."""
    for kind in kinds:
        if isinstance(kind, Warming):
            with contextlib.suppress(Exception):
                kind.warm()


def _awaited(control: int) -> tuple[Job, int, socket.socket]:
    """The job, its document and the way for the answers, which are all that is open from then on."""
    with socket.socket(fileno=control) as waiting:
        message, descriptors, _, _ = socket.recv_fds(waiting, MAX_JOB, 2)
    if not message:
        os._exit(0)  # The server has gone.
    document, answers = descriptors
    stream = socket.socket(fileno=answers)
    stream.settimeout(None)
    return Job.unpacked(json.loads(message)), document, stream


def _take_limits(job: Job) -> None:
    limits = job.limits
    hard = max(limits.memory_bytes, limits.ocr_memory_bytes) if job.options.ocr else limits.memory_bytes
    for what, soft, top in (
        (resource.RLIMIT_AS, limits.memory_bytes, hard),
        (resource.RLIMIT_CPU, limits.cpu_seconds, limits.cpu_seconds + 1),
        (resource.RLIMIT_NOFILE, limits.open_files, limits.open_files),
        (resource.RLIMIT_FSIZE, 0, 0),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        resource.setrlimit(what, (soft, top))


def _wait_for_turn(stream: socket.socket, sender: wire.Sender) -> None:
    """Ask the client for a turn at text recognition, and wait for the byte that grants it."""
    sender.send({"kind": wire.RECOGNITION})
    if not stream.recv(1):
        os._exit(1)  # The client has gone.


def _reopened(document: int) -> BinaryIO:
    """The document read-only and with an offset of its own: the client's descriptor shares its offset with others."""
    try:
        own = os.open(f"/proc/self/fd/{document}", os.O_RDONLY)
    except OSError:
        os.lseek(document, 0, os.SEEK_SET)
        return os.fdopen(document, "rb")
    os.close(document)
    return os.fdopen(own, "rb")


def _answer(job: Job, kind: Format, file: BinaryIO, sender: wire.Sender) -> None:
    try:
        if job.verb == "inspect":
            sender.send({"kind": "inspected", "pages": _inspected(job, kind, file)})
            return
        if job.verb == "show":
            picture = page_picture.of(kind, file, job.number, job.passages, job.options, job.limits)
            sender.send({"kind": "picture", "rectangles": picture.rectangles}, picture.png)
            return
        contents = enclosures.contents(kind, file, job.options, job.limits)
        sender.send({"kind": "opened", "pages": contents.page_count})
        for page in contents.pages:
            _send_page(sender, page)
        sender.send({"kind": "end"})
    except UnreadableDocument as error:
        sender.send({"kind": "failed", "code": error.code, "detail": error.detail, "cause": _cause(error)})
    except MemoryError:
        sender.send({"kind": "failed", "code": "memory_limit", "cause": "MemoryError"})
    except Exception as error:  # noqa: BLE001 - what a parser raises at a hostile file is told, not classified
        sender.send({"kind": "failed", "code": "document_broken", "cause": type(error).__name__})


def _inspected(job: Job, kind: Format, file: BinaryIO) -> int | None:
    """How many pages a file has; with a password it is opened as it is for reading, and none of its pages is read."""
    if job.options.password is None:
        pages = kind.inspect(file, job.limits).pages
    else:
        pages = kind.read(file, job.options, job.limits).page_count
    return None if enclosures.are_there(kind, file, job.options, job.limits) else pages


def _cause(error: UnreadableDocument) -> str:
    return type(error.__cause__ or error).__name__


def _send_page(sender: wire.Sender, page: Page) -> None:
    text = page.text.encode("utf-8", "replace")
    header = {"kind": "page", "number": page.number, "method": page.method, "text": len(text), "image": page.image_type}
    sender.send_page(header, text + (page.image or b""))
