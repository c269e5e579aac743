"""One try to hand a message over: one request, ten seconds, no redirect, and of the answer its status alone."""

from __future__ import annotations

import contextlib
import logging
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import httpx
from django.conf import settings

from modelsregistry import deadline, http
from modelsregistry.addresses import AddressNotAllowed
from modelsregistry.refusals import retry_after
from processing.delivery.webhooks import signing, targets

logger = logging.getLogger(__name__)

TIMEOUT = 10.0  # seconds for all of it, from the connection to the status
GONE = 410


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that is this process's to send, until another takes it: `seq` and `token` say which. `at` is the moment
    of the try; `secrets` sign it."""

    seq: int
    token: int
    message_id: str
    url: str
    body: bytes
    secrets: tuple[str, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a try: the receiver's status, if there was one, and otherwise why not. `wait` is what the receiver
    asks for, in seconds."""

    status: int | None = None
    error: str = ""
    wait: float | None = None

    @property
    def is_taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


Send = Callable[[Letter], Outcome]


def sender() -> Send:
    """What sends, with a client of its own; for any number of threads of one process."""
    client = http.public_client(settings.API_V2_WEBHOOK_NETWORKS)

    def send(letter: Letter) -> Outcome:
        return _sent(client, letter)

    return send


def _sent(client: httpx.Client, letter: Letter) -> Outcome:
    with deadline.until(time.monotonic() + TIMEOUT):
        try:
            url = targets.parse(letter.url)
            request = client.build_request("POST", url, content=letter.body, headers=_headers(letter), timeout=TIMEOUT)
            # The body of the answer is nobody's: it is not read, and the connection is closed.
            with contextlib.closing(client.send(request, stream=True)) as response:
                return Outcome(response.status_code, wait=_wait(response))
        except Exception as error:
            code = _code(error)
            if code == "failed":
                logger.exception("webhook could not be sent", extra={"webhook": letter.message_id})
            return Outcome(error=code)


def _headers(letter: Letter) -> dict[str, str]:
    timestamp = int(letter.at.timestamp())
    return {
        "User-Agent": "api-v2",
        "Accept-Encoding": "identity",
        "Content-Type": "application/json",
        "webhook-id": letter.message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signing.signature(letter.secrets, letter.message_id, timestamp, letter.body),
    }


def _wait(response: httpx.Response) -> float | None:
    return None if response.is_success else retry_after(response.headers)


def _code(error: Exception) -> str:
    """Why there is no status, as the log of deliveries tells it."""
    if isinstance(error, (AddressNotAllowed, targets.URLNotAllowed)):
        return "address_not_allowed"
    if isinstance(error, httpx.TimeoutException):
        return "timeout"
    if isinstance(error.__cause__, ssl.SSLError) or isinstance(error.__context__, ssl.SSLError):
        return "tls_failed"
    if isinstance(error, httpx.ConnectError):
        return "tls_failed" if "SSL" in str(error) else "not_reached"
    return "broken_answer" if isinstance(error, httpx.HTTPError) else "failed"
