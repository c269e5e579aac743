"""Documents go in, answers come out: web server, workers, readers and a stand-in provider, all real processes."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import samples
from tests.modelsregistry import stand_in
from tests.modelsregistry.stand_in import Exchange, StandIn
from tests.stack.service import RunningService, running_service

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

FINAL = ("completed", "failed", "cancelled")
PATIENCE = 60.0  # seconds until a test gives up on a task


class Caller:
    """A client of the API with one key: the given one, or a new one. Where nobody listens it tries again for some
    seconds: a web server of which two processes were killed within a few seconds is started anew."""

    def __init__(self, service: RunningService, *, admin: bool = False, key: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {key or (service.admin_key if admin else service.key)}"}
        way = httpx.HTTPTransport(retries=6, trust_env=False)
        self.http = httpx.Client(base_url=service.url, headers=headers, timeout=30, trust_env=False, transport=way)

    def submit(self, name: str, data: bytes, **fields: str) -> str:
        given = {"prompt": "What is the total amount?", "dedupe": "false", **fields}
        reply = self.http.post("/api/v2/process", data=given, files={"file": (name, data)})
        assert reply.status_code == 200, reply.text
        return str(reply.json()["task_id"])

    def status(self, task_id: str) -> dict[str, Any]:
        reply = self.http.get(f"/api/v2/status/{task_id}")
        assert reply.status_code == 200, reply.text
        body: dict[str, Any] = reply.json()
        return body

    def configure(self, **values: Any) -> None:
        """Change the configuration; return when every web process knows: a new connection may reach any of them."""
        reply = self.http.post("/admin/config", json={"api_v2": values})
        assert reply.status_code == 200, reply.text
        revision, end, agreeing = reply.json()["revision"], time.monotonic() + PATIENCE, 0
        while agreeing < 20:
            assert time.monotonic() < end
            reply = self.http.get("/admin/config", headers={"Connection": "close"})
            agreeing = agreeing + 1 if reply.json()["revision"] >= revision else 0

    def ended(self, task_id: str) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE
        while (body := self.status(task_id))["status"] not in FINAL:
            assert time.monotonic() < end, body
            time.sleep(0.05)
        return body


@pytest.fixture(scope="module")
def upstream() -> Iterator[StandIn]:
    with stand_in.running("reader", "viewer") as running:
        yield running


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, upstream: StandIn) -> Iterator[RunningService]:
    """A service with the stand-in as its provider, of whose two models one can see."""
    variables = {
        "OPENAI_API_BASE_URL": upstream.url,
        "OPENAI_API_KEY": "sk-upstream-canary",
        "OPENAI_API_MODELS": "reader,viewer:vision",
        "API_V2_ADMIN_MODEL": "reader",
    }
    with running_service(tmp_path_factory.mktemp("work"), **variables) as running:
        yield running


@pytest.fixture(scope="module")
def caller(service: RunningService) -> Caller:
    return Caller(service)


@pytest.mark.parametrize(
    ("name", "data", "method"),
    [
        ("invoice.pdf", samples.pdf(), "text"),
        ("invoice.docx", samples.docx(), "text"),
        ("invoice.txt", samples.INVOICE.encode(), "text"),
        ("invoice.md", samples.INVOICE.encode(), "text"),
        ("invoice.png", samples.picture(), "ocr"),
        ("invoice.JPG", samples.picture(kind="JPEG"), "ocr"),
        ("invoice.jpeg", samples.picture(kind="JPEG"), "ocr"),
        ("invoice.gif", samples.picture(kind="GIF"), "ocr"),
        ("invoice.webp", samples.picture(kind="WEBP"), "ocr"),
    ],
)
def test_it_works_for_every_format(caller: Caller, name: str, data: bytes, method: str) -> None:
    body = caller.ended(caller.submit(name, data, model="local"))
    assert body["status"] == "completed", body
    result = body["result"]
    assert "108.00" in result["content"]
    assert result["citations"][0]["page"] == 1
    assert "108.00" in result["citations"][0]["text"]
    assert result["model_used"] == body["model_used"] == "local"
    assert result["processing_metadata"]["extraction_method"] == method
    assert (body["progress"], body["attempts"]) == (100.0, 1)


def test_the_page_of_the_evidence_is_told(caller: Caller) -> None:
    pages = ("A letter about the weather.", "Nothing here either.", samples.INVOICE)
    result = caller.ended(caller.submit("long.pdf", samples.pdf(*pages), model="local"))["result"]
    assert [citation["page"] for citation in result["citations"]] == [3]


def test_a_provider_answers_where_no_model_is_named(caller: Caller, upstream: StandIn) -> None:
    upstream.script(stand_in.answer("It is ", "108.00 EUR."))
    body = caller.ended(caller.submit("invoice.pdf", samples.pdf()))
    assert body["result"]["content"] == "It is 108.00 EUR."
    assert body["model_used"] == "reader"
    assert body["result"]["citations"][0]["page"] == 1
    assert "sk-upstream-canary" in upstream.last.headers["authorization"]
    assert "Total amount due: 108.00 EUR" in json.dumps(upstream.last.json)
    assert "image_url" not in json.dumps(upstream.last.json)


def test_a_model_that_sees_gets_every_page_as_a_picture(caller: Caller, upstream: StandIn) -> None:
    upstream.script(stand_in.answer("A picture."))
    caller.ended(
        caller.submit("three.pdf", samples.pdf("one", "two", "three"), model="viewer", vision_mode="force_vision")
    )
    assert json.dumps(upstream.last.json).count("data:image/jpeg;base64,") == 3


def test_a_cancel_hangs_up_on_the_model_and_frees_the_worker(caller: Caller, upstream: StandIn) -> None:
    asked, hung_up = stand_in_that_never_ends(upstream)
    task_id = caller.submit("invoice.pdf", samples.pdf())
    assert asked.wait(PATIENCE)
    assert caller.status(task_id)["status"] == "processing"
    assert caller.http.delete(f"/api/v2/tasks/{task_id}").status_code == 200
    assert hung_up.wait(PATIENCE)
    assert caller.status(task_id)["status"] == "cancelled"
    assert caller.ended(caller.submit("next.txt", b"The total is 7.00 EUR.", model="local"))["status"] == "completed"


def test_a_provider_that_is_overloaded_is_asked_again(caller: Caller, upstream: StandIn) -> None:
    busy = stand_in.respond(503, {"error": {"message": "busy, says secret-canary"}})
    upstream.script(busy, stand_in.answer("At last."))
    body = caller.ended(caller.submit("invoice.pdf", samples.pdf()))
    assert (body["status"], body["attempts"]) == ("completed", 1)
    assert body["result"]["processing_metadata"]["model_details"]["tries"] == 2


def test_what_a_provider_says_of_itself_stays_inside(
    caller: Caller, upstream: StandIn, service: RunningService
) -> None:
    upstream.script(stand_in.respond(401, {"error": {"message": "key secret-canary is wrong"}}))
    body = caller.ended(caller.submit("invoice.pdf", samples.pdf()))
    assert (body["status"], body["error_type"]) == ("failed", "processing_error")
    assert body["error"]
    assert "secret-canary" not in json.dumps(body)
    assert "sk-upstream-canary" not in service.log()


def test_a_changed_configuration_holds_without_a_restart(service: RunningService, caller: Caller) -> None:
    admin = Caller(service, admin=True)

    def until(condition: Any) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.05)

    admin.configure(enabled=False)
    until(lambda: caller.http.get("/api/v2/health").status_code == 503)
    refused = caller.http.post("/api/v2/process", data={"prompt": "Anything?"}, files={"file": ("a.txt", b"x")})
    assert (refused.status_code, refused.json()["code"]) == (503, "disabled")
    admin.configure(enabled=None)
    until(lambda: caller.http.get("/api/v2/health").status_code == 200)


def test_what_was_taken_is_finished_while_switched_off(
    service: RunningService, caller: Caller, upstream: StandIn
) -> None:
    """One task runs and others wait when it is switched off: all are answered, and nothing new is taken."""
    admin = Caller(service, admin=True)
    asked, go = threading.Event(), threading.Event()

    def late(exchange: Exchange) -> None:
        asked.set()
        assert go.wait(PATIENCE)
        stand_in.answer("It is 108.00 EUR.")(exchange)

    upstream.script(late)
    admin.configure(max_concurrent=1)
    tasks = [caller.submit(f"{number}.txt", samples.INVOICE.encode()) for number in range(3)]
    try:
        assert asked.wait(PATIENCE)
        admin.configure(enabled=False)
        for url in ("/api/v2/process", "/api/v2/upload"):
            refused = caller.http.post(url, data={"prompt": "Anything?"}, files={"file": ("a.txt", b"x")})
            assert (refused.status_code, refused.json()["code"]) == (503, "disabled")
            assert int(refused.headers["Retry-After"]) > 0
        assert caller.status(tasks[-1])["status"] in ("queued", "processing")
        go.set()
        assert [caller.ended(task)["status"] for task in tasks] == ["completed"] * 3
    finally:
        go.set()
        admin.configure(enabled=None, max_concurrent=None)


def test_a_task_that_takes_too_long_is_stopped(service: RunningService, caller: Caller, upstream: StandIn) -> None:
    admin = Caller(service, admin=True)
    _, hung_up = stand_in_that_never_ends(upstream)
    admin.configure(timeout=1)
    body = caller.ended(caller.submit("invoice.pdf", samples.pdf()))
    assert (body["status"], body["error_type"]) == ("failed", "timeout_error")
    assert hung_up.wait(PATIENCE)
    admin.configure(timeout=None)


def test_nothing_of_a_finished_request_is_left_lying_about(service: RunningService, caller: Caller) -> None:
    caller.ended(caller.submit("invoice.pdf", samples.pdf(), model="local"))
    incoming: list[Path] = list((service.data_dir / "incoming").iterdir())
    assert incoming == []


def stand_in_that_never_ends(upstream: StandIn) -> tuple[threading.Event, threading.Event]:
    """Script an answer that drips without an end; returns the events "it was asked" and "the client has hung up"."""
    asked, hung_up = threading.Event(), threading.Event()

    def drip(exchange: Exchange) -> None:
        exchange.head(200, "text/event-stream")
        asked.set()
        try:
            while not upstream.released.wait(0.05):
                exchange.wfile.write(stand_in.chunk("drip ").encode())
                exchange.wfile.flush()
        except OSError:
            hung_up.set()

    upstream.script(drip)
    return asked, hung_up
