"""A document that attacks its reader ends its own task with the reason, and nobody else's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.modelsregistry import stand_in
from tests.stack import hostile
from tests.stack.hostile import Besieged
from tests.stack.processes import kill, until
from tests.stack.test_work import Caller

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def siege(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Besieged]:
    with hostile.besieged(tmp_path_factory.mktemp("siege")) as siege:
        yield siege
        body = siege.let_bystander_end()
        assert (body["status"], body["attempts"]) == ("completed", 1), body


@pytest.fixture
def besieged(siege: Besieged) -> Iterator[Besieged]:
    """After each test no worker has died, no reader is there, the bystander still waits, and a good document is
    read."""
    yield siege
    assert siege.good_document()["status"] == "completed"
    assert siege.dead_workers() == 0
    assert siege.caller.status(siege.bystander)["status"] == "processing"
    until(lambda: not siege.readers())


@pytest.fixture
def seconds(siege: Besieged) -> Iterator[None]:
    """Tasks have two seconds."""
    admin = Caller(siege.service, admin=True)
    admin.configure(timeout=2)
    yield
    admin.configure(timeout=None)


def told(body: dict[str, Any]) -> tuple[str, str, str, int]:
    assert body["result"] is None
    assert body["error"]
    return body["status"], body["error_type"], body["error_code"], body["attempts"]


def test_it_works(besieged: Besieged) -> None:
    assert besieged.good_document()["status"] == "completed"


@pytest.mark.parametrize(("how", "code"), hostile.ENDS.items())
def test_the_reader_dies_and_the_task_fails_with_the_reason(besieged: Besieged, how: str, code: str) -> None:
    body = besieged.caller.ended(besieged.submit(how))
    assert told(body) == ("failed", "processing_error", code, 1)
    assert "words of the document" not in body["error"]


def test_all_at_once(besieged: Besieged) -> None:
    tasks = {besieged.submit(how): code for how, code in hostile.ENDS.items()}
    assert {task: besieged.caller.ended(task)["error_code"] for task in tasks} == tasks


def test_a_reader_that_is_killed_from_outside(besieged: Besieged) -> None:
    """It is nothing that the document did, so the task is tried again, as often as any."""
    task = besieged.submit("hang")
    for attempt in (1, 2, 3):
        until(lambda: besieged.caller.status(task)["attempts"] == attempt)  # noqa: B023  (called at once)
        kill(*until(besieged.readers))
    assert told(besieged.caller.ended(task)) == ("failed", "system_error", "reader_killed", 3)


def test_the_parent_of_all_readers_is_killed(besieged: Besieged) -> None:
    """It is nothing that the document did, so the task is tried again."""
    task = besieged.submit("hang")
    readers = until(besieged.readers)
    kill(readers[0].parent())
    until(lambda: besieged.readers() and besieged.caller.status(task)["attempts"] == 2)
    assert besieged.caller.http.delete(f"/api/v2/tasks/{task}").status_code == 200


@pytest.mark.parametrize("how", ["hang", "start_a_child"])
def test_a_reader_that_hangs_ends_with_its_task(besieged: Besieged, seconds: None, how: str) -> None:
    assert told(besieged.caller.ended(besieged.submit(how)))[:2] == ("failed", "timeout_error")


@pytest.mark.parametrize(
    "reply",
    [
        stand_in.drip(b"X-Slow: yes\r\n", headers_first=False),
        stand_in.drip(b": still here\n\n", headers_first=True),
        stand_in.drip(b"data: {", headers_first=True),
        stand_in.stall(),
        stand_in.stall(stand_in.chunk("It is ")),
    ],
    ids=["headers", "comments", "an-endless-line", "silence", "silence-in-the-middle"],
)
def test_a_model_that_dribbles_ends_with_its_task(besieged: Besieged, seconds: None, reply: stand_in.Reply) -> None:
    besieged.upstream.script(reply)
    task = besieged.caller.submit("invoice.txt", b"The total is 7.00 EUR.", model="reader")
    assert told(besieged.caller.ended(task))[:2] == ("failed", "timeout_error")


def test_a_models_own_timeout(besieged: Besieged) -> None:
    admin = Caller(besieged.service, admin=True)
    admin.configure(model_configs={"reader": {"timeout": 1}})
    besieged.upstream.script(stand_in.drip(b": still here\n\n", headers_first=True))
    task = besieged.caller.submit("invoice.txt", b"The total is 7.00 EUR.", model="reader")
    assert told(besieged.caller.ended(task))[:2] == ("failed", "timeout_error")
    admin.configure(model_configs=None)


@pytest.mark.parametrize(
    ("how", "status", "code"),
    [
        ("segfault", 422, "reader_crashed"),
        ("hoard", 422, "memory_limit"),
        ("hang", 504, "reading_timeout"),
    ],
)
def test_a_document_that_attacks_at_the_door_is_not_taken(besieged: Besieged, how: str, status: int, code: str) -> None:
    file = ("attack.hostile", f"{how} when inspected".encode())
    kept = sorted((besieged.service.data_dir / "files").rglob("*"))
    reply = besieged.caller.http.post(
        "/api/v2/process", data={"prompt": "Anything?", "model": "local"}, files={"file": file}
    )
    assert (reply.status_code, reply.json()["code"]) == (status, code)
    assert sorted((besieged.service.data_dir / "files").rglob("*")) == kept
