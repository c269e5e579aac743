"""Asking a dependency how it is, with an answer that is at most so old and a wait that is at most so long."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from django.db import connections

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")


class Probe(Generic[Answer]):
    """Runs `ask` in a thread of its own, at most one at a time, and remembers the outcome for `max_age` seconds.

    A dependency that hangs holds that one thread and nobody else; the thread ends with the process.
    """

    def __init__(self, name: str, ask: Callable[[], Answer], max_age: float) -> None:
        self.name = name
        self._ask = ask
        self._max_age = max_age
        self._lock = threading.Lock()
        self._asked: Future[Answer] | None = None
        self._answered_at = 0.0
        self._failing = False

    def answer(self) -> Future[Answer]:
        """The newest outcome if it is fresh, else one that is on its way."""
        with self._lock:
            asked = self._asked
            if asked is None or (asked.done() and time.monotonic() - self._answered_at >= self._max_age):
                asked = self._asked = Future()
                threading.Thread(target=self._run, args=(asked,), name=f"probe-{self.name}", daemon=True).start()
            return asked

    def forget(self) -> None:
        """Ask anew next time."""
        with self._lock:
            self._asked = None

    def _run(self, asked: Future[Answer]) -> None:
        failure: Exception | None = None
        try:
            answer = self._ask()
        except Exception as error:  # noqa: BLE001 - whatever ails the dependency is the answer
            failure = error
        finally:
            connections.close_all()
        self._answered_at = time.monotonic()
        if failure is None:
            asked.set_result(answer)
        else:
            asked.set_exception(failure)
        self._tell(failure)

    def _tell(self, failure: Exception | None) -> None:
        if failure is not None and not self._failing:
            logger.error("Health probe failed", exc_info=failure, extra={"probe": self.name})
        elif failure is None and self._failing:
            logger.info("Health probe succeeds again", extra={"probe": self.name})
        self._failing = failure is not None
