"""A reading in progress: the pages as they come from the child, and what its end means."""

from __future__ import annotations

import contextlib
import json
import logging
import select
import socket
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

from processing.documents.contract import IMAGE_TYPES, METHODS, Inspection, Page, PagePicture, Rectangle
from processing.documents.recognition_slots import RecognitionSlots, Slot
from processing.documents.sandbox import wire
from processing.documents.sandbox.child import Job
from processing.documents.sandbox.outcome import Ended, failure, of_death, suspicious, too_much
from processing.errors import DeadlineExceeded, ProcessingError, ServiceUnavailable

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
FAREWELL_SECONDS = 5.0
MAX_OUTCOME = 4096
logger = logging.getLogger(__name__)


class Reading:
    """An iterator over the pages. `page_count` is known from the start, where the format can tell; `peak_mb`, the
    child's greatest resident memory, is known after the end."""

    def __init__(
        self,
        answers: socket.socket,
        outcome: socket.socket,
        job: Job,
        deadline: float,
        recognition: RecognitionSlots | None = None,
    ) -> None:
        self.page_count: int | None = None
        self.peak_mb: float | None = None
        self._answers = answers
        self._receiver = wire.Receiver(answers)
        self._outcome = outcome
        self._job = job
        self._deadline = deadline
        self._recognition = recognition
        self._slot: Slot | None = None
        self._turn_given = False
        self._left = job.limits.output_bytes
        self._text_left = job.limits.text_bytes
        self._last = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up, and so kill the child if it is still at work. Wakes a thread that waits for it."""
        for end in (self._answers, self._outcome):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        if self._slot is not None:
            self._slot.close()

    def open(self) -> None:
        """Wait until the child has opened the document."""
        header, _ = self._next("opened")
        self.page_count = _count(header)

    def inspection(self) -> Inspection:
        header, _ = self._next("inspected")
        inspection = Inspection(_count(header))
        self._farewell()
        return inspection

    def picture(self) -> PagePicture:
        """The page that was to be shown."""
        header, body = self._next("picture")
        given = header.get("rectangles")
        if not body.startswith(PNG_SIGNATURE) or not isinstance(given, list) or len(given) != len(self._job.passages):
            raise suspicious()
        if len(body) > self._job.limits.page_image_bytes:
            raise too_much()
        picture = PagePicture(body, tuple(_rectangles(each) for each in given))
        self._farewell()
        return picture

    def __iter__(self) -> Iterator[Page]:
        return self

    def __next__(self) -> Page:
        header, body = self._next("page", "end")
        if header["kind"] == "end":
            self._farewell()
            raise StopIteration
        return self._page(header, body)

    def _page(self, header: dict[str, Any], body: bytes) -> Page:
        number, length = _whole(header.get("number")), _whole(header.get("text"))
        method, image_type = str(header.get("method")), header.get("image")
        sound = number > self._last and length <= len(body) and method in METHODS
        pictured = image_type in IMAGE_TYPES or (image_type is None and length == len(body))
        if not (sound and pictured):
            raise suspicious()
        if length > self._job.limits.page_text_bytes or len(body) - length > self._job.limits.page_image_bytes:
            raise too_much()
        self._text_left -= length
        if self._text_left < 0:
            raise too_much()
        self._last = number
        image = body[length:] if image_type is not None else None
        return Page(number, body[:length].decode("utf-8", "replace"), method, image, image_type)

    def _next(self, *kinds: str) -> tuple[dict[str, Any], bytes]:
        """The next message, of one of these kinds. Raises what the client is to be told."""
        header, body = self._message()
        if header.get("kind") == wire.RECOGNITION and self._job.options.ocr and not self._turn_given:
            self._give_turn()
            header, body = self._message()
        if header.get("kind") not in kinds:
            raise suspicious()
        return header, body

    def _give_turn(self) -> None:
        """Let the child begin to recognise, as soon as this host has a slot for it; the slot is kept until the end."""
        self._turn_given = True
        if self._recognition is not None:
            try:
                self._slot = self._recognition.take(self._deadline, self._pause)
            except TimeoutError as error:
                raise _no_turn() from error
        with contextlib.suppress(OSError):  # Of a child that has died the next message tells.
            self._answers.send(wire.TURN)

    def _pause(self, seconds: float) -> bool:
        """Sleep; False as soon as the child has died or this reading was closed."""
        poller = select.poll()
        try:
            poller.register(self._answers, select.POLLIN)
        except (OSError, ValueError):
            return False
        return not poller.poll(seconds * 1000)

    def _message(self) -> tuple[dict[str, Any], bytes]:
        limits = self._job.limits
        most = min(self._left, limits.page_text_bytes + limits.page_image_bytes)
        try:
            message = self._receiver.next(self._deadline, most)
        except TimeoutError as error:
            raise _timeout() from error
        except wire.TooMuchError as error:
            raise too_much() from error
        except wire.BrokenStreamError as error:
            raise self._death() from error
        if message is None:
            raise self._death()
        header, body = message
        self._left -= len(body)
        if header.get("kind") == "failed":
            ended = self._farewell()
            logger.info("reading failed", extra={"action": "reading_failed", "cause": str(header.get("cause"))[:80]})
            raise failure(header, ended)
        return header, body

    def _death(self) -> ProcessingError:
        """The child ended without a word: what its end means."""
        ended = self._farewell()
        if ended is None:
            return ServiceUnavailable("Documents cannot be read right now.", "reader_unavailable", retry_after=5)
        logger.warning(
            "reader died", extra={"action": "reader_died", "status": ended.status, "format": self._job.format}
        )
        return of_death(ended, self._job.limits)

    def _farewell(self) -> Ended | None:
        """How the child ended, by its server; None where the server is gone too."""
        try:
            self._outcome.settimeout(max(0.1, min(FAREWELL_SECONDS, self._deadline - time.monotonic())))
            message = self._outcome.recv(MAX_OUTCOME)
        except TimeoutError:
            return Ended(status=-1, peak_mb=0.0)
        except OSError:
            return None
        if not message:
            return None
        ended = Ended(**json.loads(message))
        self.peak_mb = round(ended.peak_mb, 1)
        return ended


def _timeout() -> DeadlineExceeded:
    return DeadlineExceeded("The document could not be read in the time allowed.", "reading_timeout")


def _no_turn() -> DeadlineExceeded:
    return DeadlineExceeded(
        "The document's text could not be recognised in the time allowed: other documents were being recognised.",
        "recognition_timeout",
    )


def _count(header: dict[str, Any]) -> int | None:
    return None if header.get("pages") is None else _whole(header["pages"])


def _whole(value: Any) -> int:
    """A number of at least 0, as the child gave it. Raises `DocumentFailed` for anything else."""
    if not isinstance(value, int) or value < 0:
        raise suspicious()
    return value


def _rectangles(value: Any) -> tuple[Rectangle, ...]:
    """Rectangles within the page, as the child gave them. Raises `DocumentFailed` for anything else."""
    if not isinstance(value, list):
        raise suspicious()
    found = []
    for each in value:
        if not isinstance(each, list) or len(each) != 4 or not all(type(share) in (int, float) for share in each):
            raise suspicious()
        left, top, right, bottom = (float(share) for share in each)
        if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
            raise suspicious()
        found.append((left, top, right, bottom))
    return tuple(found)
