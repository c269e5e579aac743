"""A request's body while it arrives: given up when the sender stalls, refused when the sender breaks off."""

from __future__ import annotations

import contextlib
import io
import queue
import threading
import time
from collections.abc import Callable

from typing_extensions import Buffer

PIECE = 65_536  # bytes asked of the server at once; it answers when it has them all, or at the end
PIECE_WITHIN = 60.0  # seconds for one piece: about 1 kB/s, slower than any working line
SMALL_WITHIN = 10.0  # seconds that a small body may be waited for in all: anybody may send one, known or not
WHOLE_WITHIN = 600.0  # the same for others, and one more for each of these bytes:
MORE_FOR = 1024 * 1024  # a form with a thousand documents takes long on a good line, too
# Seconds that what nobody wants is read on after the answer and thrown away, so that the sender comes to read it: a
# connection that is closed over unread bytes is reset, and a proxy that still writes makes a 502 of any answer.
LINGER = 5.0
_SILENCE = 1.0  # seconds without another piece after which there is nobody to wait for
_LOOK_UP = 1.0  # seconds until the reading thread notices that nobody wants the body any more


class Arrival(io.RawIOBase):
    """The body as a raw stream; wrap it in `io.BufferedReader`.

    The server's own `read` blocks for as long as the client pleases and cannot be interrupted, so a thread does the
    reading, one piece ahead. `length` is what the client declared, None for a chunked body; `ending` is what the last
    hundred bytes must contain: a server may report a chunked body that breaks off as ended, and a client may cut a form
    short and declare the length of what is left. `within` is how many seconds it may be waited for in all.

    Reading raises TimeoutError when the body is too slow and ConnectionError when it ends early; both are OSErrors,
    which Django reports as an unreadable body.
    """

    def __init__(
        self, read: Callable[[int], bytes], length: int | None, ending: bytes = b"", within: float | None = None
    ) -> None:
        self._source = read
        self._length = length
        self._ending = ending
        self._within = WHOLE_WITHIN if within is None else within
        self._tail = b""
        self._received = 0
        self._piece = b""
        self._over = False
        self._unwanted = threading.Event()
        self._pieces: queue.Queue[bytes | BaseException] = queue.Queue(maxsize=1)
        self._waited = 0.0
        threading.Thread(target=self._fetch, name="arrival", daemon=True).start()

    @property
    def is_whole(self) -> bool:
        """Whether the client has nothing more to send."""
        return self._over or self._received == self._length

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        """As `io.RawIOBase.readinto`."""
        target = memoryview(buffer)
        if not self._piece and not self._over:
            self._piece = self._next()
        taken = self._piece[: len(target)]
        target[: len(taken)] = taken
        self._piece = self._piece[len(taken) :]
        return len(taken)

    def linger(self) -> None:
        """Throw away what still comes: until the body is whole, its sender gives up or falls silent, or `LINGER` is
        over."""
        end = time.monotonic() + LINGER
        with contextlib.suppress(queue.Empty):
            while not self.is_whole and (left := end - time.monotonic()) > 0:
                piece = self._pieces.get(timeout=min(left, _SILENCE))
                if not piece or isinstance(piece, BaseException):
                    return
                self._received += len(piece)

    def close(self) -> None:
        """Let the reading thread go; it ends when the server drops the connection, at the latest."""
        self._unwanted.set()
        super().close()

    def _next(self) -> bytes:
        patience = min(PIECE_WITHIN, self._within + self._received / MORE_FOR - self._waited)
        began = time.monotonic()
        try:
            piece = self._pieces.get(timeout=max(0.0, patience))
        except queue.Empty:
            raise TimeoutError("the body did not arrive in time") from None
        self._waited += time.monotonic() - began  # what we do with the pieces is not the sender's fault
        if isinstance(piece, BaseException):
            raise ConnectionError("the body could not be read") from piece
        self._received += len(piece)
        self._tail = (self._tail + piece)[-len(self._ending) - 100 :]
        if not piece or self._received == self._length:
            self._over = not piece
            self._insist_on_the_end()
        return piece

    def _insist_on_the_end(self) -> None:
        if self._received < (self._length or 0) or self._ending not in self._tail:
            raise ConnectionError("the body broke off")

    def _fetch(self) -> None:
        piece: bytes | BaseException = b" "
        left = self._length
        while piece and not isinstance(piece, BaseException) and not self._unwanted.is_set():
            try:
                piece = self._source(PIECE if left is None else min(PIECE, left))
            except BaseException as error:  # noqa: BLE001  (it is raised again where the body is read)
                piece = error
            else:
                left = None if left is None else left - len(piece)
            self._hand_over(piece)

    def _hand_over(self, piece: bytes | BaseException) -> None:
        while not self._unwanted.is_set():
            with contextlib.suppress(queue.Full):
                self._pieces.put(piece, timeout=_LOOK_UP)
                return
