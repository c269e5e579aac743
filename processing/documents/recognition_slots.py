"""Turns at text recognition: so many readings of a host at once, the others in the order in which they came.

A slot and a place in the line are file locks, which the kernel releases however their process ends.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

WAITING = "waiting to recognise text"
RECOGNISING = "recognising text"

_LOOK = 0.05  # seconds between two looks at the line
_PLACE = ".place"
_numbers = itertools.count()


class Slot:
    """A turn at recognition, kept until it is closed or its process ends."""

    def __init__(self, lock: IO[bytes]) -> None:
        self._lock = lock

    def close(self) -> None:
        """Let the next one begin."""
        self._lock.close()


def _nobody(_words: str) -> None:
    pass


class RecognitionSlots:
    """`count` slots in a directory that the processes of one host share, and other hosts do not.

    `announce` is told in words when a reading begins to wait and when it waits no longer; not if it need not wait.
    """

    def __init__(self, directory: Path, count: int, announce: Callable[[str], None] = _nobody) -> None:
        self._directory = directory
        self._count = count
        self._announce = announce

    def take(self, deadline: float, pause: Callable[[float], bool]) -> Slot | None:
        """A slot, when one is free and nobody came earlier; None once `pause` says that none is wanted any more.

        `pause(seconds)` sleeps and tells whether to go on; it may raise. `deadline` is a `time.monotonic()` value.
        Raises `TimeoutError`.
        """
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _Place(self._directory) as place:
            if slot := self._free(place):
                return slot
            self._announce(WAITING)
            while (remaining := deadline - time.monotonic()) > 0:
                if not pause(min(_LOOK, remaining)):
                    return None
                if slot := self._free(place):
                    return self._announced(slot)
            raise TimeoutError

    def _free(self, place: _Place) -> Slot | None:
        if not place.is_first():
            return None
        for number in range(self._count):
            lock = _locked(self._directory / f"{number}.slot", "ab")
            if lock is not None:
                return Slot(lock)
        return None

    def _announced(self, slot: Slot) -> Slot:
        try:
            self._announce(RECOGNISING)
        except BaseException:
            slot.close()
            raise
        return slot


class _Place:
    """One's place in the line: a locked file whose name tells when it was made, by the clock of the whole machine.

    One that is made is locked a moment later. Who finds it in between takes it for abandoned, and then those who come
    later may pass; nothing worse comes of it.
    """

    def __init__(self, directory: Path) -> None:
        name = f"{time.monotonic_ns():020d}-{os.getpid()}-{next(_numbers)}{_PLACE}"
        self._path = directory / name

    def __enter__(self) -> _Place:
        self._lock = self._path.open("xb")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        return self

    def __exit__(self, *_: object) -> None:
        self._path.unlink(missing_ok=True)
        self._lock.close()

    def is_first(self) -> bool:
        """Whether nobody who came earlier waits still. The places of processes that are gone are cleared away."""
        for path in sorted(self._path.parent.glob(f"*{_PLACE}")):
            if path.name >= self._path.name:
                break
            if _is_locked(path):
                return False
            path.unlink(missing_ok=True)
        return True


def _is_locked(path: Path) -> bool:
    try:
        lock = _locked(path, "rb")
    except FileNotFoundError:
        return False
    if lock is None:
        return True
    lock.close()
    return False


def _locked(path: Path, mode: str) -> IO[bytes] | None:
    """The open file, locked; None where another holds it."""
    file = path.open(mode)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    except BaseException:
        file.close()
        raise
    return file
