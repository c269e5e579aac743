"""Watches over one running task: renews its lease, and stops the work when it was cancelled or ran out of time.

The work runs in the worker's main thread; this thread interrupts it by a signal whose handler raises. That ends a
blocking read of a socket at once, which is where work waits: for the sandbox or for a model.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Literal, TypeVar

from django.db import Error, connection

from processing.tasks import lifecycle
from processing.tasks.lifecycle import Claim

logger = logging.getLogger(__name__)

_LOOK = 0.5  # seconds between two looks at the row: what a cancel costs at most, twice under its bound of 2 s
_RENEW = 5.0  # seconds between two renewals of the lease; one that failed is tried again at the next look
_LOCKED = 2.0  # seconds that this thread waits for a lock of SQLite's: others may wait longer, a lease may not
_ASK_AGAIN = 2.0  # seconds until an interruption that was swallowed is sent again

Reason = Literal["lost", "deadline"]
Result = TypeVar("Result")


class Interrupted(BaseException):
    """The task is not to be worked on any longer. No `except Exception` on the way may keep it."""


class Watch:
    """Guards one piece of work in the main thread, which may be interrupted while it lasts and not a moment longer.

    `reason` then says why: `lost` (the task was cancelled or given to another worker) or `deadline`, which is a
    `time.monotonic()` value.
    """

    def __init__(self, claim: Claim, deadline: float) -> None:
        self.reason: Reason | None = None
        self._claim = claim
        self._deadline = deadline
        self._inside = False
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def over(self, work: Callable[[], Result]) -> Result:
        """What `work` returns. Raises `Interrupted`, and after that nothing interrupts the thread any more."""
        try:
            try:
                self._begin()
                return work()
            finally:
                self._end()
        except Interrupted:
            self._end()  # A signal may have come just as the first call began; the next one is seconds away.
            raise

    def _begin(self) -> None:
        signal.signal(signal.SIGUSR1, self._on_signal)
        self._inside = True
        self._thread.start()

    def _end(self) -> None:
        self._inside = False
        self._done.set()
        self._thread.join()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self._inside:
            raise Interrupted

    def _run(self) -> None:
        renewed = time.monotonic()
        try:
            while not self._done.wait(min(_LOOK, max(0.0, self._deadline - time.monotonic()))):
                if time.monotonic() >= self._deadline:
                    return self._interrupt("deadline")
                renew = time.monotonic() - renewed >= _RENEW
                ours = self._look(renew=renew)
                if ours is False:
                    return self._interrupt("lost")
                renewed = time.monotonic() if renew and ours else renewed
        finally:
            connection.close()

    def _look(self, *, renew: bool) -> bool | None:
        """Whether the task is still ours; None while the database does not answer: then the lease decides, and we work
        on."""
        try:
            if connection.connection is None:
                _connect()
            return lifecycle.heartbeat(self._claim) if renew else lifecycle.still_held(self._claim)
        except Error:
            logger.warning("lease could not be renewed", extra={"task": self._claim.id}, exc_info=True)
            connection.close()
            return None

    def _interrupt(self, reason: Reason) -> None:
        self.reason = reason
        main = threading.main_thread().ident
        while main is not None and not self._done.is_set():
            signal.pthread_kill(main, signal.SIGUSR1)
            self._done.wait(_ASK_AGAIN)


def _connect() -> None:
    connection.ensure_connection()
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA busy_timeout = {round(_LOCKED * 1000)}")
