"""Sockets that know one deadline: whatever a peer drips, byte by byte, no call outlives its total time.

httpx bounds each single operation. A peer that sends one byte a second never exceeds such a bound, in its headers, its
body or its TLS handshake. Here the time that is left bounds every operation of the thread that set the deadline.
Here is also where it is known which address a name stands for: whoever wants, connects to public ones alone.
"""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import Any

import httpcore
from httpcore import SOCKET_OPTION, NetworkBackend, NetworkStream, SyncBackend

from modelsregistry.addresses import Networks, public_addresses

_deadline: ContextVar[float] = ContextVar("deadline", default=float("inf"))
_WRITE_SIZE = 65_536


@contextlib.contextmanager
def until(deadline: float) -> Iterator[None]:
    """Within this block, network calls of this thread end by `deadline` (a `time.monotonic()` value)."""
    token = _deadline.set(deadline)
    try:
        yield
    finally:
        _deadline.reset(token)


def expired() -> bool:
    """Whether the deadline in force has passed."""
    return time.monotonic() >= _deadline.get()


class DeadlineBackend(NetworkBackend):
    """TCP as httpcore does it, with every operation bounded by the deadline in force.

    With `public_only`, a host is resolved once, and connected to by the addresses that were looked at, so that its name
    cannot mean another address the next moment; `AddressNotAllowed` passes through to the caller. The networks `also`
    are then as good as public.
    """

    def __init__(self, *, public_only: bool = False, also: Networks = ()) -> None:
        self._backend = SyncBackend()
        self._public_only = public_only
        self._also = also

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> NetworkStream:
        _bounded(timeout, httpcore.ConnectTimeout)  # Past the deadline no name is looked up any more.
        *others, last = _resolved(host, port, self._also) if self._public_only else (host,)
        for address in others:
            with contextlib.suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return self._connect(address, port, timeout, local_address, socket_options)
        return self._connect(last, port, timeout, local_address, socket_options)

    def _connect(
        self,
        address: str,
        port: int,
        timeout: float | None,
        local_address: str | None,
        socket_options: Iterable[SOCKET_OPTION] | None,
    ) -> NetworkStream:
        bounded = _bounded(timeout, httpcore.ConnectTimeout)
        return _DeadlineStream(self._backend.connect_tcp(address, port, bounded, local_address, socket_options))


def _resolved(host: str, port: int, also: Networks) -> tuple[str, ...]:
    try:
        return public_addresses(host, port, also)
    except OSError as error:
        raise httpcore.ConnectError(str(error)) from error


class _DeadlineStream(NetworkStream):
    def __init__(self, stream: NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _bounded(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # In slices, because one write may be many sends, each with the whole timeout.
        for start in range(0, len(buffer), _WRITE_SIZE):
            self._stream.write(buffer[start : start + _WRITE_SIZE], _bounded(timeout, httpcore.WriteTimeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> NetworkStream:
        bounded = _bounded(timeout, httpcore.ConnectTimeout)
        return _DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, bounded))

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _bounded(timeout: float | None, too_late: Callable[[str], Exception]) -> float | None:
    """The smaller of an operation's own timeout and what is left of the deadline."""
    left = _deadline.get() - time.monotonic()
    if left <= 0:
        raise too_late("the deadline has passed")
    if left == float("inf"):
        return timeout
    return left if timeout is None else min(timeout, left)
