"""The Python client speaks of what the API describes, says what went wrong, and keeps a terminal safe."""

from __future__ import annotations

import dataclasses
import inspect
import io
import json
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from rest_framework.test import APIClient

from tests.clients.conftest import PYTHON

apiv2 = pytest.importorskip("apiv2")
from apiv2 import cli, client, progress, shapes  # noqa: E402

TASK = "0b3f6f0e-2b1f-4c8f-9c61-6d4f0b8f6f10"
RESULT = {
    "content": "It is 108.00 EUR.", "model_used": "local", "data": None, "processing_metadata": {},
    "citations": [{"page": 2, "text": "Total: 108.00 EUR", "score": 1.0}],
}  # fmt: skip


def state(status: str = "completed", **fields: Any) -> dict[str, Any]:
    return {
        "task_id": TASK, "status": status, "progress": 50.0, "step": "extracting page 1 of 2", "position": None,
        "result": RESULT if status == "completed" else None, "error": None, "error_code": None, "created_at": 1.0,
        "completed_at": None, "processing_time": None, "model_used": None, "new_field": 1, **fields,
    }  # fmt: skip


class Service:
    """Answers in turn, and keeps what it was sent."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.seen: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.seen.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        status, body, *headers = answer if isinstance(answer, tuple) else (200, answer)
        return httpx.Response(status, json=body, headers=headers[0] if headers else {})


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """Behind every client that is made; nobody sleeps."""
    found = Service()
    real = httpx.Client
    monkeypatch.setattr(client.httpx, "Client", lambda **given: real(**{**given, "transport": transport(found)}))
    monkeypatch.setattr(client.time, "sleep", lambda _: None)
    monkeypatch.setenv("APIV2_KEY", "sk-test")
    monkeypatch.setenv("APIV2_URL", "http://service.example/")
    yield found


def transport(found: Callable[[httpx.Request], httpx.Response]) -> httpx.MockTransport:
    return httpx.MockTransport(found)


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "report.pdf"
    path.write_bytes(b"%PDF-" + b"x" * 200_000)
    return path


def test_it_works(service: Service, report: Path, capsys: pytest.CaptureFixture[str]) -> None:
    service.answers = [{"task_id": TASK}, state("queued", position=3), state("processing"), state()]
    assert cli.main(["ask", str(report), "What is the total?", "--pages", "1-2"]) == 0
    out, err = capsys.readouterr()
    assert out == "It is 108.00 EUR.\n\n(page 2)\n"
    assert err == ""  # no terminal is there
    sent = service.seen[0]
    assert (sent.method, sent.url.path) == ("POST", "/api/v2/process")
    assert sent.headers["Authorization"] == "Bearer sk-test"
    assert b'filename="report.pdf"' in sent.content
    assert b'name="pages"' in sent.content


@pytest.mark.django_db
class TestDescription:
    """What the client uses is what the API describes."""

    @pytest.fixture
    def described(self) -> dict[str, Any]:
        found: dict[str, Any] = APIClient().get("/api/v2/openapi.json").json()
        return found

    def test_every_path(self, described: dict[str, Any]) -> None:
        calls = re.findall(r'"(GET|POST|DELETE)", f?"(/[^"]+)"', inspect.getsource(client))
        sends = [("POST", path) for path in re.findall(r'_send\("(/[^"]+)"', inspect.getsource(client))]
        assert len(calls) + len(sends) == 5
        for method, path in [*calls, *sends]:
            assert method.lower() in described["paths"][path], path

    @pytest.mark.parametrize(
        ("shape", "schema"),
        [
            ("Task", "TaskStatus"),
            ("Result", "Result"),
            ("Citation", "Citation"),
            ("StoredFile", "StoredDocument"),
            ("Models", "Models"),
            ("Model", "Model"),
        ],
    )
    def test_every_field_that_is_read(self, described: dict[str, Any], shape: str, schema: str) -> None:
        properties = described["components"]["schemas"][schema]["properties"]
        assert {field.name for field in dataclasses.fields(getattr(shapes, shape))} <= set(properties)

    def test_every_field_that_is_sent(self, described: dict[str, Any]) -> None:
        body = described["paths"]["/api/v2/process"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
        properties = described["components"]["schemas"][body["$ref"].rpartition("/")[2]]["properties"]
        named = set(inspect.signature(client.Client.submit).parameters) - {"self", "on_sent", "options"}
        assert named <= set(properties)


def test_a_file_that_was_uploaded(service: Service, report: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored = {"file_id": TASK, "filename": "report.pdf", "size": 5, "type": "application/pdf", "pages": 2}
    service.answers = [(201, stored), {"task_id": TASK}, state()]
    assert cli.main(["upload", str(report)]) == 0
    file_id = capsys.readouterr().out.strip()
    assert cli.main(["ask", file_id, "What is the total?"]) == 0
    assert b'name="file_id"' in service.seen[1].content
    assert service.seen[1].headers["Content-Type"].startswith("multipart/form-data")


def test_how_much_was_sent_is_told(service: Service, report: Path) -> None:
    service.answers = [{"task_id": TASK}]
    told: list[tuple[int, int]] = []
    with client.Client("http://service.example", "sk-test") as caller:
        caller.submit("What?", file=report, on_sent=lambda sent, of: told.append((sent, of)))
    size = report.stat().st_size
    assert told[-1] == (size, size)
    assert len(told) > 1


def test_what_is_refused_for_now_is_sent_again_whole(service: Service, report: Path) -> None:
    busy = (503, {"detail": "Busy.", "code": "busy"}, {"Retry-After": "1"})
    service.answers = [busy, busy, {"task_id": TASK}]
    with client.Client("http://service.example", "sk-test") as caller:
        assert caller.submit("What?", file=report) == TASK
    bodies = [request.content.count(b"x") >= 200_000 for request in service.seen]
    assert bodies == [True, True, True]


@pytest.mark.parametrize(
    ("answers", "code", "words"),
    [
        ([(401, {"detail": "The API key is unknown.", "code": "invalid_key"})], 3, "The API key is unknown."),
        ([(413, {"detail": "File too large.", "code": "file_too_large"})], 3, "File too large."),
        ([(500, {"detail": "Something went wrong.", "code": "internal_error"})], 4, "Something went wrong."),
        ([(429, {"detail": "Too many.", "code": "x"}, {"Retry-After": "3600"})], 3, "Too many."),
        ([httpx.ConnectError("refused")], 4, "does not answer"),
        ([{"hello": "world"}], 4, "does not answer as API v2 does"),
        ([(502, "<html>")], 4, "502"),
        ([{"task_id": TASK}, state("failed", error="It is broken.")], 1, "It is broken."),
        ([{"task_id": TASK}, state("cancelled")], 1, "cancelled"),
        ([{"task_id": TASK}, state("processing")], 5, "still processing"),
    ],
)
def test_exit_codes(
    service: Service, report: Path, capsys: pytest.CaptureFixture[str], answers: list[Any], code: int, words: str
) -> None:
    service.answers = answers
    assert cli.main(["ask", str(report), "What is the total?", "--timeout", "0"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("apiv2: ")
    assert words in err


def test_wrong_usage(service: Service, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit) as raised:
        cli.main([])
    assert raised.value.code == 2
    assert cli.main(["upload", "/nowhere/at-all.pdf"]) == 2
    monkeypatch.delenv("APIV2_KEY")
    assert cli.main(["models"]) == 2
    assert "APIV2_KEY" in capsys.readouterr().err


def test_an_interrupted_wait_ends_the_task(service: Service, report: Path) -> None:
    service.answers = [{"task_id": TASK}, KeyboardInterrupt(), {"message": "cancelled"}]
    assert cli.main(["ask", str(report), "What is the total?"]) == 130
    assert (service.seen[-1].method, service.seen[-1].url.path) == ("DELETE", f"/api/v2/tasks/{TASK}")


def test_models(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    model = {"id": "local", "name": "Local", "vision_capable": False, "available": True, "reason": None}
    gone = {**model, "id": "gone", "vision_capable": True, "available": False, "reason": "No credential."}
    service.answers = [{"models": [model, gone], "default_model": "local"}]
    assert cli.main(["models"]) == 0
    assert capsys.readouterr().out == "local\tLocal\tdefault\ngone\tLocal\tvision, No credential.\n"


def test_status_and_cancel(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    service.answers = [state(), {"message": "ok"}]
    assert cli.main(["status", TASK]) == 0
    assert json.loads(capsys.readouterr().out)["result"]["content"] == "It is 108.00 EUR."
    assert cli.main(["cancel", TASK]) == 0


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_one_line_that_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    stream = Terminal()
    with progress.Bar(stream) as bar:
        bar.show(42.0, "extracting page 3\nof 12 \x1b]0;evil\x07")
    assert stream.getvalue().startswith(f"\r\x1b[K[{'#' * 10}{'.' * 14}]  42 %  extracting page 3 of 12")
    assert "\n" not in stream.getvalue()
    assert "\x07" not in stream.getvalue()
    assert stream.getvalue().endswith("\r\x1b[K")


def test_an_answer_does_not_command_the_terminal(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.answers = [state(result={**RESULT, "content": "a\x1b[2Jb\u202ec"}), state()]
    stream = Terminal()
    monkeypatch.setattr(cli.sys, "stdout", stream)
    assert cli.main(["status", TASK]) == 0
    assert "\x1b" not in stream.getvalue()
    assert progress.printable("a\x1b[2Jb\u202ec\n\t") == "a[2Jbc\n\t"


def test_its_version_is_the_services() -> None:
    own = tomllib.loads((PYTHON / "pyproject.toml").read_text())["project"]
    service = tomllib.loads((PYTHON.parents[2] / "pyproject.toml").read_text())["project"]
    assert own["version"] == service["version"]
