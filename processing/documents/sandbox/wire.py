"""What passes between a reading child and its client: length-prefixed messages, a JSON header and a body of bytes.

The child may have been taken over by the document it reads, so the client trusts no length and unpickles nothing.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from typing import Any, Self

LENGTHS = struct.Struct("!II")
EXTRA_FORMATS = "SANDBOX_EXTRA_FORMATS"  # the variable by which a server learns of formats beside the registry's
MAX_HEADER = 64 * 1024
CHUNK = 1024 * 1024
BATCH = 64 * 1024
MOMENT = 0.01  # seconds


class BrokenStreamError(Exception):
    """The other side sent what no honest child sends, or stopped in the middle of a message."""


class TooMuchError(Exception):
    """The other side announced a body beyond what it may send."""


def send(stream: socket.socket, header: dict[str, Any], body: bytes = b"") -> None:
    with Batch(stream) as batch:
        batch.add(header, body)


class Batch:
    """Messages on their way: those that follow one another within moments share a write, since every write wakes the
    reader; those that take their time go out one by one."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._held = bytearray()
        self._sent = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()

    def add(self, header: dict[str, Any], body: bytes = b"") -> None:
        packed = json.dumps(header, separators=(",", ":")).encode()
        self._held += LENGTHS.pack(len(packed), len(body)) + packed
        if len(body) >= BATCH:
            self._flush()
            self._stream.sendall(body)
        else:
            self._held += body
        if len(self._held) >= BATCH or time.monotonic() - self._sent > MOMENT:
            self._flush()

    def _flush(self) -> None:
        if self._held:
            self._stream.sendall(self._held)
            self._held.clear()
        self._sent = time.monotonic()


def receive(stream: socket.socket, deadline: float, max_body: int) -> tuple[dict[str, Any], bytes] | None:
    """The next message, or None where the stream ends between two.

    `deadline` is a `time.monotonic()` value. Raises `TimeoutError`, `BrokenStreamError`, `TooMuchError`.
    """
    prefix = _exactly(stream, LENGTHS.size, deadline, may_end=True)
    if not prefix:
        return None
    header_length, body_length = LENGTHS.unpack(prefix)
    if header_length > MAX_HEADER:
        raise BrokenStreamError
    if body_length > max_body:
        raise TooMuchError
    try:
        header = json.loads(_exactly(stream, header_length, deadline))
    except (ValueError, RecursionError) as error:
        raise BrokenStreamError from error
    if not isinstance(header, dict):
        raise BrokenStreamError
    return header, _exactly(stream, body_length, deadline)


def _exactly(stream: socket.socket, count: int, deadline: float, *, may_end: bool = False) -> bytes:
    """`count` bytes, which are allocated as they arrive: a length that lies costs nothing."""
    received = bytearray()
    while len(received) < count:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        stream.settimeout(remaining)
        try:
            chunk = stream.recv(min(count - len(received), CHUNK))
        except ConnectionResetError:
            chunk = b""
        if not chunk:
            if may_end and not received:
                return b""
            raise BrokenStreamError
        received += chunk
    return bytes(received)
