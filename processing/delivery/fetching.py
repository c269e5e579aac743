"""Fetching a document from a URL that a caller named: from the public Internet alone, bounded, and without our own
credentials.

A name is resolved once and one of the addresses that were looked at is connected to; no redirect is followed. What went
wrong at the other end is told in one sentence, so that nobody learns what lies where.
"""

from __future__ import annotations

import contextlib
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import httpx

from modelsregistry import deadline
from modelsregistry.addresses import AddressNotAllowed, require_public_name
from modelsregistry.http import transport
from processing.errors import DeadlineExceeded, DocumentFailed, InvalidInput, ProcessingError

logger = logging.getLogger(__name__)

MAX_URL = 4000  # characters
MAX_HEADERS = 20
_SILENCE = 20.0  # seconds without a byte
# What belongs to the connection and not to the caller (RFC 9110, 7.6.1), and what would have the body packed.
_OURS = frozenset(
    {
        *("host", "connection", "content-length", "transfer-encoding", "te", "trailer", "upgrade", "keep-alive"),
        *("proxy-authorization", "proxy-connection", "accept-encoding", "expect", "range"),
    }
)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")  # RFC 9110, 5.6.2
_EXTENSIONS = {
    "application/pdf": "pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "text/plain": "txt",
    "text/markdown": "md",
    "text/html": "html",
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "image/webp": "webp",
}


@dataclass(frozen=True, slots=True)
class Source:
    """Where a document lies. `headers` are the caller's own and go with the request."""

    url: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Terms:
    """How it is fetched: `most` bytes, until `deadline` (`time.monotonic()`), and from private addresses or not."""

    most: int
    deadline: float
    allow_private: bool


@dataclass(frozen=True, slots=True)
class Fetched:
    """What the other end said of it."""

    media_type: str
    size: int


def checked(source: Source, *, allow_private: bool) -> httpx.URL:
    """The URL, if it may be asked for at all. Raises `InvalidInput` (`source_invalid`, `address_not_allowed`)."""
    if len(source.url) > MAX_URL:
        raise _invalid("The URL is too long.")
    try:
        url = httpx.URL(source.url)
        host = url.raw_host.decode("ascii")
    except (httpx.InvalidURL, ValueError, TypeError):
        raise _invalid("The URL is malformed.") from None
    if url.scheme not in ("http", "https") or not host:
        raise _invalid("Name a URL that begins with http:// or https://.")
    if url.userinfo:
        raise _invalid("A URL must not carry a name or a password; send them in the headers.")
    _require_headers(source.headers)
    if not allow_private:
        with _refused():
            require_public_name(host)
    return url


def fetch(source: Source, terms: Terms, take: Callable[[bytes], None]) -> Fetched:
    """Hand the document over piece by piece.

    Raises `InvalidInput` (as `checked`; `file_too_large`), `DocumentFailed` (`source_unavailable`) and
    `DeadlineExceeded` (`source_timeout`).
    """
    url = checked(source, allow_private=terms.allow_private)
    timeout = httpx.Timeout(_SILENCE, connect=10.0)
    headers = {"User-Agent": "api-v2", "Accept": "*/*", **source.headers, "Accept-Encoding": "identity"}
    way = transport(allow_private=terms.allow_private)
    with (
        deadline.until(terms.deadline),
        _refused(),
        _told(terms.deadline),
        # A client of its own: neither a cookie nor a connection is found again by another caller.
        httpx.Client(transport=way, trust_env=False, follow_redirects=False, timeout=timeout) as through,
    ):
        request = through.build_request("GET", url, headers=headers)
        with contextlib.closing(through.send(request, stream=True)) as response:
            packed = response.headers.get("content-encoding", "identity").lower() not in ("", "identity")
            if response.status_code != 200 or packed:
                raise _unavailable()
            size = _received(response, terms, take)
    media_type = str(response.headers.get("content-type", "")).partition(";")[0].strip().lower()
    return Fetched(media_type, size)


def filename(source: Source, media_type: str, extensions: frozenset[str]) -> str:
    """What the document is to be called: the last part of the path. Where that does not end in one of the `extensions`
    that mean something here, the media type says what it is, and else its content."""
    last = unquote(urlsplit(source.url).path.rstrip("/").rpartition("/")[2], errors="replace")
    if last.rpartition(".")[2].lower() in extensions and "." in last:
        return last
    extension = _EXTENSIONS.get(media_type, "")
    return f"{last or 'document'}.{extension}" if extension else last.replace(".", "_") or "document"


def _received(response: httpx.Response, terms: Terms, take: Callable[[bytes], None]) -> int:
    declared = response.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared[:20]) > terms.most:
        raise _too_large(terms.most)
    size = 0
    for piece in response.iter_raw():
        size += len(piece)
        if size > terms.most:
            raise _too_large(terms.most)
        if time.monotonic() >= terms.deadline:
            raise _too_late()
        take(piece)
    return size


def _require_headers(headers: Mapping[str, str]) -> None:
    if len(headers) > MAX_HEADERS or any(len(name) + len(value) > MAX_URL for name, value in headers.items()):
        raise _invalid("There are too many headers, or one is too long.")
    for name, value in headers.items():
        if name.lower() in _OURS or not _TOKEN.fullmatch(name) or not value.isprintable():
            raise _invalid("One of the headers may not be sent.")


@contextlib.contextmanager
def _refused() -> Iterator[None]:
    try:
        yield
    except AddressNotAllowed:
        raise InvalidInput(
            "The URL leads to a private network or to this host, where nothing is fetched from.", "address_not_allowed"
        ) from None


@contextlib.contextmanager
def _told(until: float) -> Iterator[None]:
    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, UnicodeError) as error:
        logger.info("source could not be fetched", exc_info=True)
        if time.monotonic() >= until:
            raise _too_late() from error
        raise _unavailable() from error


def _invalid(sentence: str) -> InvalidInput:
    return InvalidInput(sentence, "source_invalid")


def _unavailable() -> ProcessingError:
    return DocumentFailed("The document could not be fetched from its URL.", "source_unavailable")


def _too_late() -> ProcessingError:
    return DeadlineExceeded("The document did not arrive from its URL in time.", "source_timeout")


def _too_large(most: int) -> InvalidInput:
    return InvalidInput(f"File too large. Maximum size: {most / 1024 / 1024:.1f}MB", "file_too_large")
