"""The sample is asked as any client would ask, and what goes wrong is said in a sentence."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from processing.operations import credentials, demonstration, greeting
from processing.operations.credentials import Credentials
from processing.operations.demonstration import Client, DemonstrationFailedError

COMPLETED = {
    "status": "completed",
    "result": {"content": "EUR 3", "citations": [{"page": 2, "text": "Total EUR 3", "score": 1.0}]},
}


class FakeService(ThreadingHTTPServer):
    """Answers each path with what stands in `replies`: (status, body)."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        self.replies: dict[str, tuple[int, Any]] = {
            "/api/v2/health": (200, {"status": "healthy"}),
            "/api/v2/process": (200, {"task_id": "t1"}),
            "/api/v2/status/t1": (200, COMPLETED),
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: FakeService

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append((self.path, dict(self.headers), body))
        status, reply = self.server.replies[self.path]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(reply).encode())

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def service() -> Iterator[FakeService]:
    with FakeService() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "invoice.pdf"
    path.write_bytes(b"%PDF-sample")
    return path


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demonstration, "_EVERY", 0.001)
    monkeypatch.setattr(demonstration, "_PATIENCE", 5.0)


def test_it_works(service: FakeService, document: Path) -> None:
    client = Client(service.url, "sk-mine", {"X-Forwarded-Proto": "https"})
    demonstration.wait_until_healthy(client)
    answer = demonstration.ask(client, document, "What is the total?")

    assert (answer.text, answer.page, answer.quote) == ("EUR 3", 2, "Total EUR 3")
    _, headers, body = service.seen[1]
    assert headers["Authorization"] == "Bearer sk-mine"
    assert headers["X-Forwarded-Proto"] == "https"
    assert b'name="model"\r\n\r\nlocal\r\n' in body
    assert b'filename="invoice.pdf"\r\n\r\n%PDF-sample\r\n' in body


@pytest.mark.parametrize(
    ("path", "reply", "said"),
    [
        ("/api/v2/process", (422, {"detail": "no"}), "answered 422"),
        ("/api/v2/process", (200, {}), "no usable reply"),
        ("/api/v2/status/t1", (200, {"status": "failed", "error": "damaged"}), "failed: damaged"),
        ("/api/v2/status/t1", (200, "nonsense"), "no usable reply"),
    ],
)
def test_what_goes_wrong_is_said(
    service: FakeService, document: Path, path: str, reply: tuple[int, Any], said: str
) -> None:
    service.replies[path] = reply
    with pytest.raises(DemonstrationFailedError, match=said):
        demonstration.ask(Client(service.url, "sk-mine"), document, "What is the total?")


def test_a_service_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demonstration, "_PATIENCE", 0.01)
    with pytest.raises(DemonstrationFailedError, match="healthy"):
        demonstration.wait_until_healthy(Client("http://127.0.0.1:9", ""))


def test_a_degraded_service_is_taken_as_it_is_in_the_end(service: FakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demonstration, "_DEGRADED_IS_ALL", 0.05)
    service.replies["/api/v2/health"] = (200, {"status": "degraded"})
    demonstration.wait_until_healthy(Client(service.url, ""))


class Place:
    """The part of the typed environment that says where the service is."""

    def __init__(self, url: str, host: str = "127.0.0.1", header: str = "") -> None:
        self.host = host
        self.port = int(url.rsplit(":", 1)[1])
        self.proxy_https_header = header


def test_the_greeting_ends_with_the_addresses_and_a_command_to_copy(
    service: FakeService, tmp_path: Path, settings
) -> None:
    settings.DATA_DIR = tmp_path
    settings.ENV = Place(service.url)
    credentials.kept_in(tmp_path).write_text(Credentials("admin", "secret", "sk-mine").as_text())
    said: list[str] = []
    greeting.greet(said.append, demo=True)
    text = "\n".join(said)

    assert "EUR 3" in text
    assert "page 2" in text
    assert f"{service.url}/api/v2/docs" in text
    assert "Bearer sk-mine" in text
    assert "secret" not in text


def test_without_the_kept_key_the_sample_is_not_asked(service: FakeService, tmp_path: Path, settings) -> None:
    settings.DATA_DIR = tmp_path
    settings.ENV = Place(service.url)
    said: list[str] = []
    greeting.greet(said.append, demo=True)

    assert "no longer kept" in "\n".join(said)
    assert [path for path, _, _ in service.seen] == ["/api/v2/health"]


@pytest.mark.parametrize(
    ("host", "url"),
    [("0.0.0.0", "http://127.0.0.1:3000"), ("::", "http://[::1]:3000"), ("api.local", "http://api.local:3000")],
)
def test_the_address_is_one_that_this_machine_can_call(host: str, url: str, settings) -> None:
    settings.ENV = Place("http://x:3000", host)
    assert greeting.local_address() == url


def test_a_service_behind_a_proxy_is_called_as_the_proxy_would(service: FakeService, tmp_path: Path, settings) -> None:
    settings.DATA_DIR = tmp_path
    settings.ENV = Place(service.url, header="X-Forwarded-Proto")
    settings.ALLOWED_HOSTS = ["api.example.org"]
    greeting.greet(lambda _: None, demo=False)

    _, headers, _ = service.seen[0]
    assert headers["Host"] == "api.example.org"
    assert headers["X-Forwarded-Proto"] == "https"
