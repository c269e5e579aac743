"""Learns from the kernel that a file was written to, whichever process did it: Linux's inotify(7)."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import logging
import os
import select
import sys
import time

logger = logging.getLogger(__name__)

_IN_MODIFY = 0x2
_EVENTS = 4096  # bytes; an event takes 16, and the kernel folds equal ones that follow one another into one


class Written:
    """Watches one file at a time. Where the kernel cannot, no write is ever seen."""

    def __init__(self) -> None:
        self._queue = _new_queue()

    def watch(self, path: str) -> bool:
        """From now on, look at this file; whether that is possible. Call it again now and then: another file may have
        the name by then."""
        return self._queue >= 0 and _libc().inotify_add_watch(self._queue, os.fsencode(path), _IN_MODIFY) >= 0

    def wait(self, seconds: float) -> bool:
        """Whether it was written to since the last call, or is within that time."""
        if self._queue < 0:
            time.sleep(seconds)
            return False
        if not select.select([self._queue], [], [], seconds)[0]:
            return False
        with contextlib.suppress(BlockingIOError):
            while os.read(self._queue, _EVENTS):
                pass
        return True

    def __del__(self) -> None:
        if self._queue >= 0:
            os.close(self._queue)


def _new_queue() -> int:
    """A descriptor, or -1."""
    if sys.platform != "linux":
        return -1
    found: int = _libc().inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if found < 0:  # Each user has a limited number of them.
        logger.warning("files cannot be watched", extra={"reason": os.strerror(ctypes.get_errno())})
    return found


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
