"""What passes between a reading child and its client: length-prefixed messages, a JSON header and a body of bytes.

The child may have been taken over by the document it reads, so the client trusts no length and unpickles nothing.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from typing import Any

LENGTHS = struct.Struct("!II")
EXTRA_FORMATS = "SANDBOX_EXTRA_FORMATS"  # the variable by which a server learns of formats beside the registry's
RECOGNITION = "recognition"  # the kind of the message by which a child asks for its turn at text recognition
TURN = b"\1"  # the reply to it, and all that a client ever sends
MAX_HEADER = 64 * 1024
CHUNK = 256 * 1024
TOGETHER = 0.01  # seconds within which pages go together


class BrokenStreamError(Exception):
    """The other side sent what no honest child sends, or stopped in the middle of a message."""


class TooMuchError(Exception):
    """The other side announced a body beyond what it may send."""


class Sender:
    """The child's end. Pages that follow one another quickly go together, since every call wakes the client: none is
    held back longer than the next one takes."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._held = bytearray()
        self._last = 0.0

    def send(self, header: dict[str, Any], body: bytes = b"") -> None:
        """Send a message at once, and the pages before it. The page that comes next is not held back."""
        self._hold(header, body)
        self._flush()
        self._last = 0.0

    def send_page(self, header: dict[str, Any], body: bytes) -> None:
        self._hold(header, body)
        now = time.monotonic()
        if now - self._last >= TOGETHER or len(self._held) >= CHUNK:
            self._flush()
            self._last = now

    def _hold(self, header: dict[str, Any], body: bytes) -> None:
        packed = json.dumps(header, separators=(",", ":")).encode()
        start = LENGTHS.pack(len(packed), len(body)) + packed
        if len(body) < CHUNK:
            self._held += start + body
        else:
            self._held += start
            self._flush()
            self._stream.sendall(body)

    def _flush(self) -> None:
        self._stream.sendall(self._held)
        self._held.clear()


class Receiver:
    """The client's end. It takes whatever has arrived at a time, since pages are small and every call has its price."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._arrived = bytearray()

    def next(self, deadline: float, max_body: int) -> tuple[dict[str, Any], bytes] | None:
        """The next message, or None where the stream ends between two.

        `deadline` is a `time.monotonic()` value. Raises `TimeoutError`, `BrokenStreamError`, `TooMuchError`.
        """
        if not self._arrived and not self._more(deadline):
            return None
        header_length, body_length = LENGTHS.unpack(self._take(LENGTHS.size, deadline))
        if header_length > MAX_HEADER:
            raise BrokenStreamError
        if body_length > max_body:
            raise TooMuchError
        try:
            header = json.loads(self._take(header_length, deadline))
        except (ValueError, RecursionError) as error:
            raise BrokenStreamError from error
        if not isinstance(header, dict):
            raise BrokenStreamError
        return header, self._take(body_length, deadline)

    def _take(self, count: int, deadline: float) -> bytes:
        """`count` bytes, which are allocated as they arrive: a length that lies costs nothing."""
        while len(self._arrived) < count:
            if not self._more(deadline):
                raise BrokenStreamError
        taken = bytes(memoryview(self._arrived)[:count])
        del self._arrived[:count]
        return taken

    def _more(self, deadline: float) -> bool:
        """Wait for bytes; False at the end of the stream."""
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        self._stream.settimeout(remaining)
        try:
            chunk = self._stream.recv(CHUNK)
        except ConnectionResetError:
            return False
        self._arrived += chunk
        return bool(chunk)
