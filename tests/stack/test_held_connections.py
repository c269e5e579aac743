"""Clients that hold their connections do not keep others from an answer, and what they leave half-sent is no task."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx
import pytest

from tests.stack.service import ROOT, RunningService

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

INVOICE = (ROOT / "docs/samples/invoice.pdf").read_bytes()
HEAD = (
    b'--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nWhat is the total?\r\n'
    b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nlocal\r\n'
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="invoice.pdf"\r\n\r\n'
)
END = b"\r\n--b--\r\n"


@pytest.fixture(scope="module")
def key(service: RunningService) -> str:
    return service.key


@pytest.fixture
def client(service: RunningService, key: str) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=service.url, headers=headers, timeout=30, trust_env=False) as client:
        yield client


def connect(service: RunningService, key: str, *headers: bytes) -> socket.socket:
    """A submission whose headers are sent, and nothing of its body."""
    address = urlsplit(service.url)
    assert address.hostname is not None
    connection = socket.create_connection((address.hostname, address.port), timeout=30)
    lines = [
        b"POST /api/v2/process HTTP/1.1",
        b"Host: localhost",
        b"Authorization: Bearer " + key.encode(),
        b"Content-Type: multipart/form-data; boundary=b",
        *headers,
    ]
    connection.sendall(b"\r\n".join([*lines, b"", b""]))
    return connection


def reply(connection: socket.socket) -> tuple[int, dict[str, object]]:
    """The status and the JSON body of what the server says before it closes or waits."""
    received = b""
    while b"\r\n\r\n" not in received or not received.endswith(b"}"):
        received += connection.recv(65_536)
    head, body = received.split(b"\r\n\r\n", 1)
    return int(head.split()[1]), json.loads(body[body.index(b"{") :])


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def tasks(client: httpx.Client) -> int:
    return len(client.get("/api/v2/tasks").json()["results"])


def test_it_works(service: RunningService, key: str) -> None:
    body = HEAD + INVOICE + END
    with connect(service, key, b"Content-Length: %d" % len(body)) as connection:
        connection.sendall(body)
        status, task = reply(connection)
    assert (status, task["status"]) in [(200, "processing"), (200, "queued")]


def test_health_answers_while_clients_hold_their_connections(service: RunningService, key: str) -> None:
    """Twenty that send slowly, twenty that wait for a task, and three hundred that never finish their headers."""
    address = urlsplit(service.url)
    with ExitStack() as held, httpx.Client(base_url=service.url, timeout=5, trust_env=False) as client:
        for _ in range(20):
            connection = held.enter_context(connect(service, key, b"Content-Length: 100000"))
            connection.sendall(HEAD)
        for request in [b"GET /api/v2/tasks?wait=20 HTTP/1.1\r\nHost: localhost\r\n\r\n"] * 20 + [b"GET / HTTP"] * 300:
            connection = held.enter_context(socket.create_connection((address.hostname, address.port), timeout=30))
            connection.sendall(request)

        for _ in range(20):
            assert client.get("/api/v2/health").status_code == 200


def test_uploads_that_stall_leave_room_for_nothing_but_short_requests(service: RunningService, key: str) -> None:
    """With every place taken the next upload is told to come back; reading goes on."""
    with ExitStack() as held, httpx.Client(base_url=service.url, timeout=30, trust_env=False) as client:
        refused = None
        for _ in range(80):
            connection = held.enter_context(connect(service, key, b"Content-Length: 100000"))
            connection.sendall(HEAD)
        for _ in range(10):
            connection = held.enter_context(connect(service, key, b"Content-Length: 100000"))
            refused = refused or _refusal(connection)
        assert refused is not None
        assert refused["code"] == "busy"
        assert client.get("/api/v2/health").status_code == 200


def _refusal(connection: socket.socket) -> dict[str, object] | None:
    connection.settimeout(1)
    try:
        return reply(connection)[1]
    except TimeoutError:
        return None


@pytest.mark.parametrize("sent", [b"", HEAD, HEAD + INVOICE[:1000], HEAD + INVOICE])
def test_an_upload_that_breaks_off_is_no_task(
    service: RunningService, key: str, client: httpx.Client, sent: bytes
) -> None:
    before = tasks(client)
    for headers, body in (
        (b"Content-Length: 100000", sent),
        (b"Transfer-Encoding: chunked", chunk(sent) if sent else b""),
    ):
        with connect(service, key, headers) as connection:
            connection.sendall(body)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65_536):
                pass
    assert tasks(client) == before


def test_a_chunked_upload_is_a_task(service: RunningService, key: str) -> None:
    with connect(service, key, b"Transfer-Encoding: chunked") as connection:
        for data in (HEAD, INVOICE[:1000], INVOICE[1000:], END):
            connection.sendall(chunk(data))
        connection.sendall(b"0\r\n\r\n")
        assert reply(connection)[0] == 200


@pytest.mark.parametrize("headers", [b"Content-Length: 104857600", b"Transfer-Encoding: chunked"])
def test_a_file_that_is_too_large_is_refused_while_it_is_sent(
    service: RunningService, key: str, client: httpx.Client, headers: bytes
) -> None:
    before = tasks(client)
    with connect(service, key, headers) as connection:
        wrap = chunk if b"chunked" in headers else bytes
        connection.sendall(wrap(HEAD))
        thread = threading.Thread(target=_pour, args=(connection, wrap(b"x" * 1_000_000)))
        thread.start()
        status, problem = reply(connection)
        thread.join()

    assert (status, problem["code"]) == (413, "file_too_large")
    assert problem["detail"] == "File too large. Maximum size: 50.0MB"
    assert tasks(client) == before


def test_who_is_answered_early_is_told_that_the_connection_ends(
    service: RunningService, key: str, client: httpx.Client
) -> None:
    with connect(service, key, b"Content-Length: 104857600") as connection:
        connection.sendall(HEAD)
        received = b""
        while b"\r\n\r\n" not in received and (piece := connection.recv(65_536)):
            received += piece
    assert b"\r\nconnection: close\r\n" in received.lower()
    whole = client.post(
        "/api/v2/process", data={"prompt": "What?", "model": "local"}, files={"file": ("a.pdf", INVOICE)}
    )
    assert (whole.status_code, whole.headers.get("connection")) == (200, None)


def _pour(connection: socket.socket, piece: bytes) -> None:
    """Send a hundred megabytes, or until the server has had enough."""
    try:
        for _ in range(100):
            connection.sendall(piece)
    except OSError:
        return


def test_nothing_half_sent_is_kept(service: RunningService) -> None:
    """What was sent whole goes a moment after its answer."""
    end = time.monotonic() + 10
    while left := list((service.data_dir / "incoming").iterdir()):
        assert time.monotonic() < end, left
        time.sleep(0.05)
