"""The work of a chaos run: a mix of tasks, submitted by a client that does not give up, never too many at once."""

from __future__ import annotations

import io
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from tests import samples
from tests.stack.chaos_upstream import answer_to, prompt_of

_PAUSE = 0.2  # seconds between two tries
_LONGEST_WAIT = 2.0  # seconds that the client waits when it is told to come back later
_SCANS = 25  # every so manieth task is a scan of several pages


@dataclass(frozen=True, slots=True)
class Job:
    """A task to be submitted, and what its answer has to hold."""

    number: int
    filename: str
    document: bytes
    prompt: str
    model: str
    answer: str


def jobs(count: int, slowest: float, chance: random.Random) -> list[Job]:
    """Half of them wait for a second or more at the upstream, the others for nothing or are scans for the local
    model."""
    scan, letter, note = scanned(2), samples.pdf(), samples.INVOICE.encode()
    made = []
    for number in range(count):
        slow = number % 2 == 0
        prompt = prompt_of(number, chance.uniform(1.0, slowest) if slow else 0.0)
        if number % _SCANS == 1:
            made.append(Job(number, "scan.pdf", scan, prompt, "local", "108.00"))
        else:
            name, document = [("letter.pdf", letter), ("note.txt", note)][chance.randrange(2)]
            made.append(Job(number, name, document, prompt, "reader", answer_to(number)))
    return made


def scanned(pages: int) -> bytes:
    """A PDF of pictures, without a text layer."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4)
    for _ in range(pages):
        canvas.drawImage(ImageReader(io.BytesIO(samples.picture())), 50, 500, 495, 132)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


@dataclass
class Submitter:
    """Submits the jobs in a thread of its own, while `room` says yes. `accepted` is what the service has promised;
    `unanswered` counts submissions of which nothing is known, because the connection broke."""

    url: str
    key: str
    jobs: list[Job]
    room: Callable[[], bool]
    accepted: dict[uuid.UUID, Job] = field(default_factory=dict)
    unanswered: int = 0
    refused: int = 0
    paused: threading.Event = field(default_factory=threading.Event)
    failure: BaseException | None = None
    done: threading.Event = field(default_factory=threading.Event)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def submitting(self) -> Iterator[None]:
        """Submit while the block runs; what is not submitted at its end is left."""
        thread = threading.Thread(target=self._run, name="submitter")
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def _run(self) -> None:
        try:
            for job in self.jobs:
                while not self._stop.is_set() and (self.paused.is_set() or not self.room()):
                    time.sleep(_PAUSE / 10)
                while not self._stop.is_set() and not self._submit(job):
                    time.sleep(_PAUSE)
        except BaseException as error:  # noqa: BLE001  (it is the main thread that is to know)
            self.failure = error
        self.done.set()

    def _submit(self, job: Job) -> bool:
        fields = {"prompt": job.prompt, "model": job.model}
        headers = {"Authorization": f"Bearer {self.key}"}
        files = {"file": (job.filename, job.document)}
        try:
            reply = httpx.post(
                f"{self.url}/api/v2/process", data=fields, files=files, headers=headers, timeout=30, trust_env=False
            )
        except httpx.ConnectError:
            return False
        except httpx.TransportError:
            self.unanswered += 1
            return False
        if reply.status_code in (429, 500, 503):
            self.refused += 1
            time.sleep(min(float(reply.headers.get("Retry-After", 0)), _LONGEST_WAIT))
            return False
        assert reply.status_code == 200, reply.text
        self.accepted[uuid.UUID(reply.json()["task_id"])] = job
        return True
