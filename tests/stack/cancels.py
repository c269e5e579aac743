"""Tasks that are cancelled in each phase of their life, and how long their worker then takes to be free.

The service has one worker. Free is when the child that read the task's document is dead, the call to its model is
closed, and the next task in line has been taken.
"""

from __future__ import annotations

import io
import os
import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from PIL import Image
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from tests import samples
from tests.modelsregistry import stand_in
from tests.modelsregistry.stand_in import Exchange, StandIn
from tests.stack.processes import Parts, readers, until
from tests.stack.service import RunningService
from tests.stack.test_work import PATIENCE, Caller

ONE_WORKER = {"OPENAI_API_KEY": "sk", "OPENAI_API_MODELS": "reader,viewer:vision", "API_V2_MAX_CONCURRENT": 1}
TEXT = b"The total is 7.00 EUR."


@dataclass
class Line:
    """A model on the line: the events that it was asked and that the service hung up, and when that was."""

    asked: threading.Event
    hung_up: threading.Event
    at: float = 0.0


@dataclass
class Stage:
    """A service with one worker, its caller, and the stand-in for the provider."""

    service: RunningService
    caller: Caller
    upstream: StandIn

    @property
    def parts(self) -> Parts:
        return Parts(self.service)

    def readers(self) -> list[int]:
        """The processes that read a document for the worker now."""
        return [reader.pid for worker in self.parts.playing("worker") for reader in readers(worker)]


def model_that_never_ends(upstream: StandIn, *, headers: bool, drips: bool) -> Line:
    """Script a model that says nothing, or its headers and the beginning of an answer, or drips for ever."""
    line = Line(threading.Event(), threading.Event())

    def reply(exchange: Exchange) -> None:
        if headers:
            exchange.head(200, "text/event-stream")
            exchange.wfile.write(stand_in.chunk("It is ").encode())
        line.asked.set()
        while not upstream.released.is_set():
            readable, _, _ = select.select([exchange.connection], [], [], 0.05)
            if readable:  # There is nothing more to be asked: it is the end of the connection.
                raise ConnectionResetError
            if drips:
                exchange.wfile.write(stand_in.chunk("drip ").encode())

    def told(exchange: Exchange) -> None:
        try:
            reply(exchange)
        except OSError:
            line.at = time.time()
            line.hung_up.set()

    upstream.script(told, stand_in.answer("108.00 EUR"))
    return line


@dataclass(frozen=True)
class Phase:
    """`enter` brings a task into the phase, and returns its id and its model's line, if it has one.

    `reads`: a child reads the document meanwhile.
    """

    name: str
    enter: Callable[[Stage], tuple[str, Line | None]]
    reads: bool = False


def reading_a_pdf(stage: Stage) -> tuple[str, None]:
    return _at_page(stage, stage.caller.submit("long.pdf", LONG, model="viewer", vision_mode="force_vision")), None


def recognising_a_scan(stage: Stage) -> tuple[str, None]:
    return _at_page(stage, stage.caller.submit("scan.pdf", SCAN, model="local")), None


def _at_page(stage: Stage, task: str) -> str:
    """Return when at least one page has been read, and the next one is at work."""

    end = time.monotonic() + 2 * PATIENCE  # A machine at its limits takes half a minute to load text recognition.
    while True:
        step = str(stage.caller.status(task)["step"])
        if step.startswith("extracting page ") and not step.startswith("extracting page 1 "):
            return task
        assert time.monotonic() < end, step
        time.sleep(0.02)


def answering_by_itself(stage: Stage) -> tuple[str, None]:
    """The worker computes: the built-in model looks for evidence in a document of several MB."""
    task = stage.caller.submit("large.txt", LARGE, model="local")
    until(lambda: str(stage.caller.status(task)["step"]).startswith("asking "))
    return task, None


def waiting_for_headers(stage: Stage) -> tuple[str, Line]:
    return _asking(stage, headers=False, drips=False)


def streaming(stage: Stage) -> tuple[str, Line]:
    return _asking(stage, headers=True, drips=True)


def stalled(stage: Stage) -> tuple[str, Line]:
    return _asking(stage, headers=True, drips=False)


def _asking(stage: Stage, *, headers: bool, drips: bool) -> tuple[str, Line]:
    line = model_that_never_ends(stage.upstream, headers=headers, drips=drips)
    task = stage.caller.submit("invoice.txt", TEXT, model="reader")
    assert line.asked.wait(PATIENCE)
    return task, line


PHASES = [
    Phase("reading a PDF", reading_a_pdf, reads=True),
    Phase("recognising a scan", recognising_a_scan, reads=True),
    Phase("answering with the built-in model", answering_by_itself),
    Phase("waiting for a model's headers", waiting_for_headers),
    Phase("streaming a model's answer", streaming),
    Phase("stalled model", stalled),
]


def cancelled(stage: Stage, phase: Phase) -> float:
    """Cancel a task in this phase; returns the seconds from the call until the worker was free."""
    caller = stage.caller
    task, line = phase.enter(stage)
    next_one = caller.submit("next.txt", TEXT, model="local")
    before = caller.status(task)
    assert (before["status"], caller.status(next_one)["status"]) == ("processing", "queued"), before
    readers = stage.readers()
    assert phase.reads == bool(readers)
    with all_ended(readers) as readers_ended:
        began = time.time()
        assert caller.http.delete(f"/api/v2/tasks/{task}").status_code == 200
        ends = [readers_ended()]
    if line is not None:
        assert line.hung_up.wait(PATIENCE)
        ends.append(line.at)
    after = caller.ended(next_one)
    assert after["status"] == "completed", after
    ends.append(after["started_at"])
    assert_cancelled(caller, task)
    return max(ends) - began


def cancelled_while_queued(stage: Stage) -> float:
    """Cancel a task that waits behind another; returns the seconds until those behind it have moved up."""
    caller = stage.caller
    blocker, line = waiting_for_headers(stage)
    task, behind = (caller.submit(name, TEXT, model="local") for name in ("queued.txt", "behind.txt"))
    assert [caller.status(each)["position"] for each in (task, behind)] == [1, 2]
    began = time.time()
    assert caller.http.delete(f"/api/v2/tasks/{task}").status_code == 200
    assert (caller.status(task)["status"], caller.status(behind)["position"]) == ("cancelled", 1)
    took = time.time() - began
    assert caller.http.delete(f"/api/v2/tasks/{blocker}").status_code == 200
    assert line.hung_up.wait(PATIENCE)
    assert caller.ended(behind)["status"] == "completed"
    assert caller.status(task)["attempts"] == 0
    assert_cancelled(caller, task)
    return took


def assert_cancelled(caller: Caller, task: str) -> None:
    """It is `cancelled`, has no answer and no error, and there is no ending it again."""
    body = caller.status(task)
    assert (body["status"], body["result"], body["error"], body["completed_at"] is None) == (
        "cancelled",
        None,
        None,
        False,
    ), body
    again = caller.http.delete(f"/api/v2/tasks/{task}")
    assert (again.status_code, again.json()["code"]) == (400, "task_finished")


@dataclass
class _Ends:
    descriptors: list[int]

    def __call__(self) -> float:
        """When the last of them had ended."""
        for descriptor in self.descriptors:
            assert select.select([descriptor], [], [], PATIENCE)[0], "a reader lives on"
        return time.time()


@contextmanager
def all_ended(pids: list[int]) -> Iterator[_Ends]:
    """Watch these processes, which may be anybody's; to be called for the time when all have ended."""
    descriptors = [os.pidfd_open(pid) for pid in pids]
    try:
        yield _Ends(descriptors)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _scan(pages: int) -> bytes:
    picture = ImageReader(Image.open(io.BytesIO(samples.picture("\n".join(["Total amount due: 108.00 EUR"] * 30)))))
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4)
    for _ in range(pages):
        canvas.drawImage(picture, 40, 40, width=500, height=760)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


SCAN = _scan(8)
LARGE = samples.INVOICE.encode() * 100_000
LONG = samples.pdf(*[samples.INVOICE] * 500)
