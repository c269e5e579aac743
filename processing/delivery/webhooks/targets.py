"""Where webhooks may go: by HTTP, without credentials in the URL, to the public Internet or to networks that the
operator allows. Asked when a URL is given, and again, of the address that is connected to, at every try."""

from __future__ import annotations

import queue
import re
import threading

import httpx
from django.conf import settings

from modelsregistry.addresses import AddressNotAllowed, public_addresses, require_public_name
from processing.errors import InvalidInput

MAX_LENGTH = 2000
# No space, quote, control character or backslash, and no fragment: nothing that two readers of a URL take differently.
_PLAIN = re.compile(r"https?://[!$-;=?-\[\]_a-z~]+", re.IGNORECASE | re.ASCII)
_LOWEST_FREE_PORT, _HIGHEST_PORT = 1024, 65_535
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LOOKUP = 2.0  # seconds that a caller waits for a name to be looked up
_lookups = threading.BoundedSemaphore(8)  # of this process at once, whatever a name server does


class URLNotAllowed(InvalidInput):
    """Webhooks are not sent there."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, "webhook_url_not_allowed", errors={"url": [detail]})


def require_allowed(url: str) -> str:
    """The URL as it is kept. Raises `URLNotAllowed`, also for a name that stands for a private address. A name that
    cannot be looked up just now is taken: it is looked up again when there is something to send."""
    parsed = parse(url)
    if _is_private(host_of(parsed), port_of(parsed)):
        raise _private()
    return str(parsed)


def parse(url: str) -> httpx.URL:
    """The URL in its parts. Raises `URLNotAllowed` for what can be told from the URL alone."""
    if len(url) > MAX_LENGTH or not _PLAIN.fullmatch(url):
        raise URLNotAllowed("This is no URL of http or https in plain characters.")
    try:
        parsed = httpx.URL(url)
        port = port_of(parsed)
    except (httpx.InvalidURL, ValueError):
        raise URLNotAllowed("This is no URL.") from None
    if not parsed.raw_host:
        raise URLNotAllowed("The URL names no host.")
    if "@" in re.split("[/?]", url.partition("://")[2])[0]:
        raise URLNotAllowed("The URL holds a user name or a password. Put a token into the path instead.")
    try:
        require_public_name(host_of(parsed), settings.API_V2_WEBHOOK_NETWORKS)
    except AddressNotAllowed:
        raise _private() from None
    if port not in _DEFAULT_PORTS.values() and not _LOWEST_FREE_PORT <= port <= _HIGHEST_PORT:
        raise URLNotAllowed("The port must be 80, 443 or one from 1024 on.")
    return parsed


def host_of(url: httpx.URL) -> str:
    """The host as it is asked for, international names in their ASCII form: decoding it again may fail."""
    return url.raw_host.decode("ascii")


def port_of(url: httpx.URL) -> int:
    """The port, its scheme's where the URL names none."""
    return _DEFAULT_PORTS[url.scheme] if url.port is None else url.port


def target(url: str) -> str:
    """The host and port, as one receiver is told from another; of a URL that nobody could be sent to, nothing."""
    try:
        parsed = parse(url)
    except URLNotAllowed:
        return ""
    return f"{host_of(parsed)}:{port_of(parsed)}"


def _private() -> URLNotAllowed:
    return URLNotAllowed("The URL's host is on a private network or on this host.")


def _is_private(host: str, port: int) -> bool:
    """Whether one of the host's addresses is not allowed, as far as can be told within two seconds."""
    if not _lookups.acquire(blocking=False):
        return False
    answers: queue.SimpleQueue[bool] = queue.SimpleQueue()
    threading.Thread(target=_look_up, args=(host, port, answers), name="lookup", daemon=True).start()
    try:
        return answers.get(timeout=_LOOKUP)
    except queue.Empty:
        return False


def _look_up(host: str, port: int, answers: queue.SimpleQueue[bool]) -> None:
    is_private = False
    try:
        public_addresses(host, port, settings.API_V2_WEBHOOK_NETWORKS)
    except AddressNotAllowed:
        is_private = True
    except OSError:
        pass
    finally:
        _lookups.release()
        answers.put(is_private)
