"""What a hostile or careless client sends over a real connection is refused as agreed, and leaves nothing."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.stack.service import ROOT, RunningService

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

INVOICE = (ROOT / "docs/samples/invoice.pdf").read_bytes()
SIBLING = b"GET /api/version HTTP/1.1\r\nHost: localhost\r\n\r\n"
STATUS_LINE = re.compile(rb"HTTP/1\.1 (\d{3})")


@dataclass(frozen=True)
class Reply:
    """The first response on a connection, and how many there were."""

    status: int
    headers: str
    body: bytes
    count: int

    def problem(self) -> dict[str, Any]:
        """The body, which must be all that the contract asks of an error."""
        assert "application/problem+json" in self.headers
        told: dict[str, Any] = json.loads(self.body)
        wanted = {"type", "title", "status", "detail", "error_type", "code", "timestamp", "request_id"}
        assert wanted <= told.keys()
        assert told["status"] == self.status
        assert f"x-request-id: {told['request_id']}" in self.headers
        assert "Traceback" not in told["detail"]
        assert "/" not in told["detail"]
        return told


def exchange(service: RunningService, sent: bytes) -> Reply:
    """Send these bytes and read until the server closes; it may do so before it has read all."""
    address = urlsplit(service.url)
    received = b""
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(sent)
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(65_536):
                received += piece
    head, _, rest = received.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    if length is None:
        rest = rest.partition(b"\r\n")[2].rpartition(b"\r\n0\r\n")[0]
    statuses = STATUS_LINE.findall(received)
    return Reply(int(statuses[0]), head.decode("latin-1"), rest[: int(length[1])] if length else rest, len(statuses))


def request(key: str, body: bytes = b"", *headers: bytes, line: bytes = b"POST /api/v2/process") -> bytes:
    """One request with the body's length in its headers, unless these say something else of it."""
    lines = [line + b" HTTP/1.1"]
    told = b"\n".join(headers).lower()
    defaults = {
        b"Host": b"localhost",
        b"Authorization": b"Bearer " + key.encode(),
        b"Content-Type": b"multipart/form-data; boundary=b",
        b"Content-Length": b"%d" % len(body),
    }
    if b"transfer-encoding" in told:
        del defaults[b"Content-Length"]
    lines += [name + b": " + value for name, value in defaults.items() if name.lower() + b":" not in told]
    return b"\r\n".join([*lines, *headers, b"Connection: close", b"", body])


def part(name: bytes, value: bytes, filename: bytes | None = None) -> bytes:
    disposition = b'form-data; name="' + name + b'"'
    if filename is not None:
        disposition += b'; filename="' + filename + b'"'
    return b"--b\r\nContent-Disposition: " + disposition + b"\r\n\r\n" + value + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join([*parts, b"--b--\r\n"])


PROMPT = part(b"prompt", b"What is the total?")
FILE = part(b"file", INVOICE, b"invoice.pdf")
BAD_FORMS = {
    "no file": (form(PROMPT), 422, "file_required"),
    "empty file": (form(PROMPT, part(b"file", b"", b"e.pdf")), 400, "empty_file"),
    "a blocked type": (form(PROMPT, part(b"file", b"MZ", b"a.exe")), 415, "blocked_type"),
    "an unsupported type": (form(PROMPT, part(b"file", b"abc", b"a.xyz")), 415, "unsupported_type"),
    "a lying extension": (form(PROMPT, part(b"file", b"\x89PNG\r\n\x1a\n", b"a.pdf")), 415, "type_mismatch"),
    "a broken document": (form(PROMPT, part(b"file", INVOICE[:400], b"a.pdf")), 422, "document_broken"),
    "a short prompt": (form(part(b"prompt", b"  abcd  "), FILE), 422, "min_length"),
    "a long prompt": (form(part(b"prompt", b"x" * 4001), FILE), 422, "max_length"),
    "a NUL in the prompt": (form(part(b"prompt", b"what\x00ever"), FILE), 422, "null_characters_not_allowed"),
    "no number": (form(PROMPT, FILE, part(b"temperature", b"abc")), 422, "invalid"),
    "too hot": (form(PROMPT, FILE, part(b"temperature", b"3")), 422, "max_value"),
    "not a number": (form(PROMPT, FILE, part(b"temperature", b"nan")), 422, "invalid"),
    "an unknown model": (form(PROMPT, FILE, part(b"model", b"gpt-99")), 422, "unknown_model"),
    "no multipart": (b"garbage", 400, "malformed_body"),
    "a form cut short": (form(FILE, PROMPT)[:-8], 400, "malformed_body"),
    "a thousand fields": (form(*[part(b"f", b"x")] * 1000, PROMPT, FILE), 400, "too_many_fields"),
    "101 files": (form(PROMPT, *[part(b"f", b"x", b"a.txt")] * 101), 400, "too_many_fields"),
    "a file of many field bytes": (form(part(b"x", b"x" * 2_700_000), PROMPT, FILE), 413, "body_too_large"),
}


@pytest.fixture(scope="module")
def key(service: RunningService) -> str:
    return service.key


def documents(service: RunningService) -> set[Path]:
    """Every document in the store."""
    return {path for path in (service.data_dir / "files/documents").rglob("*") if path.is_file()}


def wait_until_nothing_is_on_its_way(service: RunningService) -> None:
    """What was received goes when the request ends, which may be after its reply has arrived."""
    until = time.monotonic() + 30
    while any((service.data_dir / "incoming").iterdir()):
        assert time.monotonic() < until, "what was received is left behind"
        time.sleep(0.01)


def tasks(service: RunningService, key: str) -> list[Any]:
    reply = exchange(service, request(key, b"", line=b"GET /api/v2/tasks"))
    found: list[Any] = json.loads(reply.body)["results"]
    return found


def test_it_works(service: RunningService, key: str) -> None:
    reply = exchange(service, request(key, form(PROMPT, FILE)))
    assert (reply.status, json.loads(reply.body)["ignored_fields"]) == (200, [])


@pytest.mark.parametrize("what", BAD_FORMS)
def test_a_bad_form_is_named_and_leaves_nothing(service: RunningService, key: str, what: str) -> None:
    body, status, code = BAD_FORMS[what]
    before = documents(service), len(tasks(service, key))
    reply = exchange(service, request(key, body))
    assert (reply.status, reply.problem()["code"]) == (status, code)
    assert (documents(service), len(tasks(service, key))) == before
    wait_until_nothing_is_on_its_way(service)


@pytest.mark.parametrize(
    ("secret", "code"), [("sk-wrong", "invalid_key"), ("", "invalid_key"), ("ÿ", "not_authenticated")]
)
def test_a_bad_key_gets_no_further(service: RunningService, secret: str, code: str) -> None:
    reply = exchange(service, request("", form(PROMPT, FILE), b"Authorization: Bearer " + secret.encode()))
    assert (reply.status, reply.problem()["code"]) == (401, code)


@pytest.mark.parametrize("host", [b"evil.example", b"", b"localhost@evil.example", b"<script>"])
def test_a_foreign_host_is_refused(service: RunningService, key: str, host: bytes) -> None:
    reply = exchange(service, request(key, b"", b"Host: " + host, line=b"GET /api/v2/health"))
    assert (reply.status, reply.problem()["code"]) == (400, "unknown_host")


def test_a_foreign_host_raises_no_alarm(service: RunningService) -> None:
    """Django calls it an error, and logs its stack."""
    exchange(service, request("", b"", b"Host: alarming.example", line=b"GET /api/v2/health"))
    told = [line for line in service.log().splitlines() if "alarming.example" in line]
    assert len(told) == 1
    assert " WARNING django.security.DisallowedHost " in told[0]


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ((b"Content-Length: 5", b"Transfer-Encoding: chunked"), b"0\r\n\r\n"),
        ((b"Transfer-Encoding: chunked", b"Content-Length: 5"), b"0\r\n\r\n"),
        ((b"Transfer-Encoding: chunked", b"Transfer-Encoding: x"), b"0\r\n\r\n"),
        ((b"Transfer-Encoding: xchunked", b"Content-Length: 5"), b"abcde"),
        ((b"Transfer-Encoding : chunked", b"Content-Length: 5"), b"0\r\n\r\n"),
        ((b"Content-Length: 5", b"Content-Length: 6"), b"abcdef"),
        ((b"Transfer-Encoding: chunked",), b"-5\r\nabcde\r\n0\r\n\r\n"),
    ],
)
def test_a_body_of_two_lengths_hides_no_second_request(
    service: RunningService, key: str, headers: tuple[bytes, ...], body: bytes
) -> None:
    sent = request(key, body, *headers).replace(b"Connection: close\r\n", b"")
    reply = exchange(service, sent + SIBLING)
    assert reply.count == 1
    assert 400 <= reply.status < 500


@pytest.mark.parametrize(
    ("sent", "same"), [(b"trace-1", True), (b"a b", False), (b"<script>", False), (b"x" * 65, False)]
)
def test_a_request_id_is_kept_if_it_is_sane(service: RunningService, key: str, sent: bytes, same: bool) -> None:
    reply = exchange(service, request(key, b"", b"X-Request-ID: " + sent, line=b"GET /api/v2/tasks/none"))
    assert (reply.problem()["request_id"] == sent.decode()) is same


def test_a_strangers_task_is_like_none(service: RunningService, key: str) -> None:
    task = json.loads(exchange(service, request(key, form(PROMPT, FILE))).body)["task_id"]
    other = service.admin_key
    for line in (b"GET /api/v2/status/", b"GET /api/v2/tasks/", b"DELETE /api/v2/tasks/"):
        told = []
        for wanted in (task, "00000000-0000-4000-8000-000000000000"):
            reply = exchange(service, request(other, b"", line=line + wanted.encode()))
            told.append({**reply.problem(), "timestamp": 0, "request_id": ""})
            assert told[-1].pop("task_id") == wanted
        assert told[0] == told[1]
        assert told[0]["code"] == "task_not_found"


@pytest.mark.parametrize("path", [b"/admin/login/", b"/admin/config", b"/nope"])
def test_a_strangers_file_goes_nowhere(service: RunningService, path: bytes) -> None:
    """Not even with a CSRF cookie, which the login page gives to anybody."""
    before = documents(service)
    page = exchange(service, request("", b"", line=b"GET /admin/login/"))
    token = re.search("csrftoken=([A-Za-z0-9]+)", page.headers)
    assert token is not None
    body = form(part(b"file", b"x" * 3_000_000, b"a.txt"))
    reply = exchange(service, request("", body, b"Cookie: csrftoken=" + token[1].encode(), line=b"POST " + path))
    assert 400 <= reply.status < 500
    reply.problem()
    assert documents(service) == before
    wait_until_nothing_is_on_its_way(service)


def test_prompts_documents_and_keys_are_in_no_log(service: RunningService, key: str) -> None:
    canary = b"canary-7731"
    text = part(b"file", b"The total is 12 euros. " + canary, b"a.txt")
    exchange(service, request(key, form(part(b"prompt", b"What is the total? " + canary), text)))
    exchange(service, request(key, form(part(b"prompt", canary + b"x" * 4000), text)))
    log = service.log()
    assert canary.decode() not in log
    assert key not in log
    assert (service.data_dir / "secret_key").read_text().strip() not in log
