"""HTTP to providers, whatever their dialect: one client a process, total deadlines, size caps, errors that can be told.

No redirect is followed, no proxy or credential is taken from the environment, no compressed answer is unpacked, and
no private address is connected to unless the call allows it.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import ssl
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpcore
import httpx

from modelsregistry import deadline
from modelsregistry.addresses import AddressNotAllowed, Networks, require_public_name
from modelsregistry.errors import ModelError, ModelMisconfigured, ModelOverloaded, ModelTimeout
from modelsregistry.refusals import RETRYABLE, Complaint, refusal

logger = logging.getLogger(__name__)

MAX_ANSWER_BYTES = 32 * 1024 * 1024
MAX_LINE_BYTES = 1024 * 1024
MAX_LINES = 1_000_000  # an answer of 32,000 tokens comes in some 100,000; a line costs the more the shorter it is
MAX_COMPLAINT_BYTES = 64 * 1024
_CONNECT_TIMEOUT = 10.0
_MAX_TAIL_BYTES = 4096  # after a dialect's end mark; nearly always none
_TAIL_TIMEOUT = 0.05
_HEADERS = {"User-Agent": "api-v2", "Accept-Encoding": "identity"}

# Keyed by process: a forked child must neither use nor close its parent's connections. And by the way to the provider:
# a connection to a private address must not be found again by who may not open one.
_clients: dict[tuple[int, str, bool], httpx.Client] = {}


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a provider. `stall_timeout` is the longest silence, in seconds; `deadline` is `time.monotonic()`.

    `words` finds the codes and the message of an error in a decoded body, as this dialect writes it; `wait` the seconds
    to wait, where the dialect says them there. `retryable` are the statuses that are worth another try.

    `proxy` is the URL of an HTTP proxy. Unless `allow_private`, only addresses of the public Internet are connected to;
    through a proxy, which alone resolves names, that holds for a host that is an address or means this very host.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    deadline: float
    stall_timeout: float
    words: Callable[[Any], str]
    body: Mapping[str, Any] | None = None
    wait: Callable[[Any], float | None] = lambda _: None
    retryable: Collection[int] = RETRYABLE
    proxy: str = ""
    allow_private: bool = False


class Answer:
    """A provider's answer under 200, to be read once: by `lines`, as it comes, or whole by `json`."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        # Held here, as an iterator that goes with its reader closes the connection.
        self._chunks = _bounded_bytes(response, MAX_ANSWER_BYTES)

    @property
    def media_type(self) -> str:
        """The media type without its parameters, in lower case."""
        return str(self._response.headers.get("content-type", "")).partition(";")[0].strip().lower()

    def lines(self) -> Iterator[str]:
        """The lines without their ends, as they arrive. Raises `ModelError`, also when one is too long, or they are too
        many."""
        rest, count = bytearray(), 0
        for chunk in self._chunks:
            scanned = len(rest)
            rest += chunk
            if b"\n" in chunk:
                *whole, last = bytes(rest).split(b"\n")
                count += len(whole)
                if count > MAX_LINES:
                    raise answer_too_large()
                yield from (line.rstrip(b"\r").decode("utf-8", "replace") for line in whole)
                rest = bytearray(last)
            elif scanned > MAX_LINE_BYTES:
                raise answer_too_large()
        if rest:
            yield bytes(rest).rstrip(b"\r").decode("utf-8", "replace")

    def json(self) -> Any:
        """The whole body, decoded. Raises `ModelError` when it is not JSON."""
        try:
            return json.loads(b"".join(self._chunks))
        except (ValueError, RecursionError) as error:
            raise broken_answer() from error

    def finish(self, by: float) -> None:
        """Take in the end that may follow a dialect's end mark, so that the connection can serve the next call. Where
        it is not there at once (`by` is a `time.monotonic()` value), the connection is given up and nothing is lost."""
        if self._response.headers.get("connection", "").lower() == "close":
            return
        received = 0
        with deadline.until(min(by, time.monotonic() + _TAIL_TIMEOUT)), contextlib.suppress(ModelError):
            for chunk in self._chunks:
                received += len(chunk)
                if received > _MAX_TAIL_BYTES:
                    return


@contextlib.contextmanager
def answering(call: Call) -> Iterator[Answer]:
    """Send the call and hand over a successful answer. At the end of the block the connection is kept for the
    next call when the answer ends there, and closed otherwise. Raises `ModelError`."""
    content = None if call.body is None else json.dumps(call.body, ensure_ascii=False).encode("utf-8", "replace")
    headers = httpx.Headers({**_HEADERS, **({} if content is None else {"Content-Type": "application/json"})})
    headers.update(call.headers)
    timeout = httpx.Timeout(call.stall_timeout, connect=min(_CONNECT_TIMEOUT, call.stall_timeout))
    with deadline.until(call.deadline):
        with _told_as_model_errors():
            through = client(call.proxy, allow_private=call.allow_private)
            request = through.build_request(call.method, call.url, content=content, headers=headers, timeout=timeout)
            if not call.allow_private:
                require_public_name(request.url.raw_host.decode("ascii"))
            response = through.send(request, stream=True)
        with contextlib.closing(response):
            if response.status_code != 200:
                raise _refusal(response, call)
            _require_readable(response)
            answer = Answer(response)
            yield answer
            answer.finish(call.deadline)


def client(proxy: str = "", *, allow_private: bool = True) -> httpx.Client:
    """The client of this process for this way out."""
    key = (os.getpid(), proxy, allow_private)
    found = _clients.get(key)
    return found or _clients.setdefault(key, _new_client(proxy, allow_private=allow_private))


def public_client(also: Networks = ()) -> httpx.Client:
    """A client of its own for whoever calls strangers' servers: it connects to the public Internet and the networks
    `also`, keeps no connection, and its calls end by the `deadline` in force. Raises httpx' errors, and
    `AddressNotAllowed`."""
    backend = deadline.DeadlineBackend(public_only=True, also=also)
    pool = httpcore.ConnectionPool(
        ssl_context=_ssl_context(),
        max_connections=None,  # Who calls bounds them, so that no receiver that hangs keeps others waiting.
        max_keepalive_connections=0,
        network_backend=backend,
    )
    return _client_over(pool)


def address_not_allowed() -> ModelError:
    """The provider is not on the public Internet, and nobody allowed that."""
    return ModelMisconfigured(
        "The provider's address lies in a private network or on this host. An administrator has to correct it, or to "
        "allow private addresses for this provider.",
        "address_not_allowed",
    )


def broken_answer() -> ModelError:
    """The provider said something that its own dialect does not allow."""
    return ModelOverloaded("The model's provider sent an answer that cannot be understood.", "answer_broken")


def answer_too_large() -> ModelError:
    """The provider would not stop."""
    return ModelOverloaded("The model's provider sent more than an answer can be.", "answer_too_large")


def truncated_answer() -> ModelError:
    """The answer stopped before its end mark."""
    return ModelOverloaded("The model's answer broke off before its end.", "answer_truncated")


def transport(proxy: str = "", *, allow_private: bool = False) -> httpx.HTTPTransport:
    """A way out with connections of its own, for who shares neither these nor cookies. Unless `allow_private` it raises
    `AddressNotAllowed` where a name stands for an address that is not public."""
    return _transport_over(_pool(proxy, allow_private=allow_private))


def _new_client(proxy: str, *, allow_private: bool) -> httpx.Client:
    return _client_over(_pool(proxy, allow_private=allow_private))


def _client_over(pool: httpcore.ConnectionPool) -> httpx.Client:
    return httpx.Client(transport=_transport_over(pool), trust_env=False, follow_redirects=False)


def _transport_over(pool: httpcore.ConnectionPool) -> httpx.HTTPTransport:
    way = httpx.HTTPTransport(verify=_ssl_context(), trust_env=False)
    # httpx has no parameter for httpcore's network backend, which is where a total deadline and a rule for addresses
    # can be kept.
    way._pool = pool
    return way


@cache
def _ssl_context() -> ssl.SSLContext:
    """Read once, as it takes longer than many a call: all clients verify alike."""
    return httpx.create_ssl_context(trust_env=False)


def _pool(proxy: str, *, allow_private: bool) -> httpcore.ConnectionPool:
    settings: dict[str, Any] = {
        "ssl_context": _ssl_context(),
        "max_connections": 100,
        "max_keepalive_connections": 20,
        "keepalive_expiry": 30.0,
    }
    if not proxy:
        backend = deadline.DeadlineBackend(public_only=not allow_private)
        return httpcore.ConnectionPool(network_backend=backend, **settings)
    # The proxy is the administrator's own choice, and most stand in a private network.
    return httpcore.HTTPProxy(proxy, network_backend=deadline.DeadlineBackend(), **settings)


@contextlib.contextmanager
def _told_as_model_errors() -> Iterator[None]:
    try:
        yield
    except AddressNotAllowed as error:
        raise address_not_allowed() from error
    except httpx.TimeoutException as error:
        if deadline.expired():
            raise _too_late() from error
        if isinstance(error, httpx.ConnectTimeout):
            raise _unreachable() from error
        raise ModelOverloaded("The model's provider stopped answering.", "model_stalled") from error
    except httpx.ConnectError as error:
        raise _unreachable() from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
        raise ModelMisconfigured("The provider's address or credential is malformed.", "provider_malformed") from error
    except httpx.HTTPError as error:
        raise ModelOverloaded("The connection to the model's provider broke.", "connection_broken") from error


def _too_late() -> ModelError:
    return ModelTimeout("The model did not answer in time.", "model_timeout")


def _unreachable() -> ModelError:
    return ModelOverloaded("The model's provider cannot be reached.", "provider_unreachable")


def _refusal(response: httpx.Response, call: Call) -> ModelError:
    words, wait = "", None
    with contextlib.suppress(ValueError, RecursionError, ModelError):
        body = json.loads(b"".join(_bounded_bytes(response, MAX_COMPLAINT_BYTES)))
        words, wait = call.words(body), call.wait(body)
    error = refusal(Complaint(response.status_code, words, response.headers, wait, call.retryable))
    logger.warning(
        "provider refused a request",
        extra={
            "status": response.status_code,
            "code": error.code,
            "provider_request_id": response.headers.get("x-request-id") or response.headers.get("request-id", ""),
        },
    )
    return error


def _require_readable(response: httpx.Response) -> None:
    if response.headers.get("content-encoding", "identity").lower() not in ("", "identity"):
        raise broken_answer()
    if "html" in response.headers.get("content-type", "").lower():
        raise ModelMisconfigured(
            "The provider's address answers with a web page. An administrator has to correct it.", "not_a_model_server"
        )


def _bounded_bytes(response: httpx.Response, limit: int) -> Iterator[bytes]:
    received = 0
    with _told_as_model_errors():
        for chunk in response.iter_raw():
            received += len(chunk)
            if received > limit:
                raise answer_too_large()
            if deadline.expired():
                raise _too_late()
            yield chunk
