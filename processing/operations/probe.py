"""Asking a dependency how it is, with an answer that is at most so old and a wait that is at most so long."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Generic, TypeVar

from django.db import connections

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Asked(Generic[Answer]):
    """One asking: what will come of it, and when it began (`time.monotonic()`)."""

    coming: Future[Answer]
    at: float

    def outcome(self, patience: float) -> Answer | None:
        """What came out; None if nothing came within `patience` seconds of asking, or an error did, which is logged.

        Whoever looks while a dependency has hung for longer than that does not wait for it again.
        """
        wait([self.coming], timeout=max(0.0, self.at + patience - time.monotonic()))
        return self.coming.result() if self.coming.done() and self.coming.exception() is None else None


class Probe(Generic[Answer]):
    """Runs `question` in a thread of its own, at most one at a time, and remembers the outcome for `max_age` seconds.
    Bad news, which is an error or False, is not remembered: whoever asks then has it asked anew.

    A dependency that hangs holds that one thread and nobody else; the thread ends with the process.
    """

    def __init__(self, name: str, question: Callable[[], Answer], max_age: float) -> None:
        self.name = name
        self._question = question
        self._max_age = max_age
        self._lock = threading.Lock()
        self._asked: Asked[Answer] | None = None
        self._answered_at = 0.0
        self._failing = False

    def ask(self) -> Asked[Answer]:
        """The newest asking if its outcome is fresh or still to come, else another."""
        with self._lock:
            asked = self._asked
            if asked is None or (asked.coming.done() and self._is_stale(asked.coming)):
                asked = self._asked = Asked(Future(), time.monotonic())
                threading.Thread(target=self._run, args=(asked.coming,), name=f"probe-{self.name}", daemon=True).start()
            return asked

    def _is_stale(self, came: Future[Answer]) -> bool:
        bad = came.exception() is not None or came.result() is False
        return bad or time.monotonic() - self._answered_at >= self._max_age

    def forget(self) -> None:
        """Ask anew next time."""
        with self._lock:
            self._asked = None

    def _run(self, coming: Future[Answer]) -> None:
        failure: Exception | None = None
        try:
            answer = self._question()
        except Exception as error:  # noqa: BLE001 - whatever ails the dependency is the answer
            failure = error
        finally:
            connections.close_all()
        self._answered_at = time.monotonic()
        if failure is None:
            coming.set_result(answer)
        else:
            coming.set_exception(failure)
        self._tell(failure)

    def _tell(self, failure: Exception | None) -> None:
        if failure is not None and not self._failing:
            logger.error("Health probe failed", exc_info=failure, extra={"probe": self.name})
        elif failure is None and self._failing:
            logger.info("Health probe succeeds again", extra={"probe": self.name})
        self._failing = failure is not None
