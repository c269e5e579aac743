"""What the processes of a cluster speak through. No lock is shared, so that a process killed at any moment blocks none.

django-q2's own queues, events and timers are those of `multiprocessing`, each with a semaphore: whoever is killed while
holding it stops all others for ever. Here the kernel does the locking: a message on an AF_UNIX SOCK_SEQPACKET socket is
read by exactly one process, whole or not at all.
"""

from __future__ import annotations

import contextlib
import multiprocessing.sharedctypes
import pickle
import select
import socket
from typing import Any

STOP = "STOP"  # django-q2's word for "end now"
_SMALL = 4096  # bytes of buffer: deliveries wait in the table, not in here
_TURN = 1.0  # seconds that a writer waits for readers


class Pipe:
    """Stands in for the task queue: many writers, many readers. After `end` the readers get `STOP`, each of them."""

    def __init__(self) -> None:
        self._out, self._in = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._in.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SMALL)
        self._repeated: object = None

    def put(self, message: object) -> bool:
        """Send a message, or drop it when no reader had room for it within a second; returns whether it was sent."""
        data = pickle.dumps(message)
        if not select.select([], [self._in], [], _TURN)[1]:
            return False
        try:
            self._in.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except (BlockingIOError, BrokenPipeError):
            return False
        return True

    def get(self) -> Any:
        """The next message; blocks until there is one. What was to be repeated gives way to one that waits."""
        repeated, self._repeated = self._repeated, None
        try:
            data = self._out.recv(65_536, 0 if repeated is None else socket.MSG_DONTWAIT)
        except BlockingIOError:
            return repeated
        return pickle.loads(data) if data else STOP  # noqa: S301  (written by `put`, in this tree of processes)

    def repeat(self, message: object) -> None:
        """Have this process, and no other, get a message without its being sent."""
        self._repeated = message

    def end(self) -> None:
        """Drop what is on its way and let every reader know that nothing follows."""
        self._in.shutdown(socket.SHUT_WR)
        with contextlib.suppress(BlockingIOError):
            while self._out.recv(65_536, socket.MSG_DONTWAIT):
                pass


class Again:
    """Stands in for the result queue: what became of a task is on its row. What is told here is whether there was one,
    and after one there may be a next."""

    def __init__(self, deliveries: Pipe) -> None:
        self._deliveries = deliveries

    def put(self, delivery: dict[str, Any]) -> None:
        """Have this process get the delivery once more if it found work, so that it need not be sent another."""
        if delivery.get("success") and delivery.get("result") is True:
            self._deliveries.repeat(delivery)


class Flag:
    """Stands in for `multiprocessing.Event`: set once, by any process, and seen by all."""

    def __init__(self) -> None:
        self._seen_at, self._set_at = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def set(self) -> None:
        self._set_at.shutdown(socket.SHUT_WR)

    def is_set(self) -> bool:
        return self.wait(0)

    def wait(self, seconds: float) -> bool:
        """Whether the flag is set, after that time at the latest."""
        return bool(select.select([self._seen_at], [], [], seconds)[0])


class Number:
    """Stands in for `multiprocessing.Value`: one aligned word of shared memory, which needs no lock."""

    def __init__(self, value: int) -> None:
        self._shared = multiprocessing.sharedctypes.RawValue("l", value)

    @property
    def value(self) -> int:
        return int(self._shared.value)

    @value.setter
    def value(self, value: float) -> None:
        self._shared.value = int(value)

    def get_lock(self) -> contextlib.nullcontext[None]:
        """What django-q2's worker holds while it reports."""
        return contextlib.nullcontext()
