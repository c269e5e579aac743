"""What a URL that somebody typed leads to: a bounded document from a public address, or a sentence."""

from __future__ import annotations

import http.server
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from modelsregistry import addresses
from processing.delivery import fetching
from processing.delivery.fetching import Source, Terms
from processing.errors import DeadlineExceeded, DocumentFailed, InvalidInput, ProcessingError

PUBLIC = "93.184.215.14"


@dataclass
class Site:
    """A server on this host that answers as it is told."""

    url: str
    answer: Callable[[Any], None] = lambda handler: ok(handler)
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)


def ok(handler: Any, body: bytes = b"%PDF-", status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


@pytest.fixture
def site() -> Iterator[Site]:
    found = Site("")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.seen.append((self.path, dict(self.headers)))
            found.answer(self)

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    found.url = f"http://127.0.0.1:{server.server_port}"
    yield found
    server.shutdown()
    server.server_close()


def fetched(url: str, *, most: int = 1000, within: float = 20, private: bool = True, **headers: str) -> bytes:
    taken: list[bytes] = []
    fetching.fetch(Source(url, headers), Terms(most, time.monotonic() + within, private), taken.append)
    return b"".join(taken)


def refusal(family: type[ProcessingError], code: str, url: str, **terms: Any) -> None:
    with pytest.raises(family) as raised:
        fetched(url, **terms)
    assert raised.value.code == code


def test_it_works(site: Site) -> None:
    assert fetched(f"{site.url}/a.pdf", Authorization="Bearer theirs", Cookie="a=b") == b"%PDF-"
    ((path, headers),) = site.seen
    assert path == "/a.pdf"
    assert (headers["Authorization"], headers["Cookie"]) == ("Bearer theirs", "a=b")
    assert headers["Accept-Encoding"] == "identity"


def test_this_host_is_not_reached(site: Site) -> None:
    port = site.url.rpartition(":")[2]
    for host in ("127.0.0.1", "127.1", "2130706433", "0x7f.1", "localhost", "[::ffff:127.0.0.1]"):
        refusal(InvalidInput, "address_not_allowed", f"http://{host}:{port}/", private=False)
    assert site.seen == []


@pytest.mark.parametrize("found", [["127.0.0.1"], [PUBLIC, "127.0.0.1"], ["169.254.169.254"]])
def test_a_name_that_means_a_private_address(site: Site, monkeypatch: pytest.MonkeyPatch, found: list[str]) -> None:
    monkeypatch.setattr(addresses.socket, "getaddrinfo", lambda *_, **__: entries(found))
    refusal(InvalidInput, "address_not_allowed", site.url.replace("127.0.0.1", "papers.example"), private=False)
    assert site.seen == []


def test_a_name_that_means_another_address_the_second_time(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for once, and what was looked at is what is connected to."""
    asked: list[str] = []

    def getaddrinfo(host: str, *_: Any, **__: Any) -> Any:
        asked.append(host)
        return entries([PUBLIC] if len(asked) == 1 else ["127.0.0.1"])

    connected: list[str] = []

    def connect(self: Any, host: str, *_: Any, **__: Any) -> Any:
        connected.append(host)
        raise fetching.httpx.ConnectError("nobody there")

    monkeypatch.setattr(addresses.socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr("httpcore.SyncBackend.connect_tcp", connect)
    refusal(DocumentFailed, "source_unavailable", site.url.replace("127.0.0.1", "papers.example"), private=False)
    assert (asked, connected) == (["papers.example"], [PUBLIC])
    assert site.seen == []


def entries(found: list[str]) -> list[Any]:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in found]


@pytest.mark.parametrize("status", [201, 204, 301, 302, 307, 401, 404, 500])
def test_whatever_is_no_document(site: Site, status: int) -> None:
    site.answer = lambda handler: ok(handler, b"", status, Location="http://127.0.0.1/", Set_Cookie="a=b")
    refusal(DocumentFailed, "source_unavailable", site.url)
    assert len(site.seen) == 1


def test_what_one_source_sets_is_not_sent_again(site: Site) -> None:
    site.answer = lambda handler: ok(handler, Set_Cookie="secret=1")
    fetched(site.url)
    fetched(site.url)
    assert "Cookie" not in site.seen[1][1]


def test_what_is_too_large(site: Site) -> None:
    refusal(InvalidInput, "file_too_large", site.url, most=4)

    def without_end(handler: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"x" * 65_536)
        except OSError:
            pass

    site.answer = without_end
    refusal(InvalidInput, "file_too_large", site.url, most=1_000_000)


def test_what_is_packed_is_not_unpacked(site: Site) -> None:
    site.answer = lambda handler: ok(handler, Content_Encoding="gzip")
    refusal(DocumentFailed, "source_unavailable", site.url)


def test_what_breaks_off(site: Site) -> None:
    site.answer = lambda handler: ok(handler, b"%PDF-", Content_Length="500")
    refusal(DocumentFailed, "source_unavailable", site.url)


def test_who_hangs(site: Site) -> None:
    done = threading.Event()
    site.answer = lambda handler: done.wait(20)
    refusal(DeadlineExceeded, "source_timeout", site.url, within=0.3)
    done.set()


def test_nobody_there() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        refusal(DocumentFailed, "source_unavailable", f"http://127.0.0.1:{probe.getsockname()[1]}/")


@pytest.mark.parametrize(
    ("url", "media_type", "name"),
    [
        ("http://a.example/b/report.pdf?x=1#y", "", "report.pdf"),
        ("http://a.example/2501.17887", "application/pdf", "2501.17887.pdf"),
        ("http://a.example/2501.17887", "", "2501_17887"),
        ("http://a.example/", "application/pdf", "document.pdf"),
        ("http://a.example", "", "document"),
        ("http://a.example/download.php", "application/pdf", "download.php.pdf"),
        ("http://a.example/evil.exe", "application/pdf", "evil.exe"),
        ("http://a.example/M%C3%A4rz.PDF", "", "März.PDF"),
    ],
)
def test_names(url: str, media_type: str, name: str) -> None:
    assert fetching.filename(Source(url, {}), media_type, frozenset({"pdf", "txt", "exe"})) == name
