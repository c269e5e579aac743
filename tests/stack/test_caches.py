"""What was asked once is not asked again: with real workers, which wait for one another, and of which some die."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psutil
import pytest

from tests import samples
from tests.modelsregistry import stand_in
from tests.modelsregistry.stand_in import Exchange, StandIn
from tests.stack.processes import Parts, kill, until
from tests.stack.service import RunningService, running_service
from tests.stack.test_work import PATIENCE, Caller

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]

WORKERS = 3
DOCUMENT = samples.pdf()  # Each one made holds the time.


@pytest.fixture(scope="module")
def upstream() -> Iterator[StandIn]:
    with stand_in.running("reader", "viewer") as running:
        yield running


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, upstream: StandIn) -> Iterator[RunningService]:
    variables = {
        "ENABLE_MODEL_CACHE": "true",
        "ENABLE_PROCESSING_CACHE": "true",
        **upstream.variables,
        "API_V2_ADMIN_MODEL": "reader",
        "API_V2_MAX_CONCURRENT": WORKERS,
    }
    with running_service(tmp_path_factory.mktemp("caches"), **variables) as running:
        yield running


@pytest.fixture(scope="module")
def caller(service: RunningService) -> Caller:
    return Caller(service)


class Line:
    """A question that waits for its answer until the test says so."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.end = threading.Event()

    def __call__(self, exchange: Exchange) -> None:
        self.asked.set()
        self.end.wait(PATIENCE)
        stand_in.answer("108.00 EUR")(exchange)


def waits(caller: Caller, task: str) -> bool:
    return str(caller.status(task)["step"]).startswith("waiting while another task asks")


def test_it_works(caller: Caller, upstream: StandIn) -> None:
    upstream.script(stand_in.answer("108.00 EUR"))
    before = len(upstream.received)
    first, second, anew = (
        caller.ended(caller.submit("a.pdf", DOCUMENT, prompt="What is it all about?", **more))["result"]
        for more in ({}, {}, {"skip_cache": "true"})
    )
    assert len(upstream.received) == before + 2
    assert [each["processing_metadata"]["cache"] for each in (first, second, anew)] == [None, "model", None]
    assert first["content"] == second["content"] == "108.00 EUR"
    assert first["citations"] == second["citations"] != []
    assert second["processing_metadata"]["usage"]["cost"] == 0


def test_a_stranger_is_answered_by_the_model(service: RunningService, caller: Caller, upstream: StandIn) -> None:
    upstream.script(stand_in.answer("108.00 EUR"))
    stranger = Caller(service, admin=True)
    before = len(upstream.received)
    for each in (caller, stranger):
        body = each.ended(each.submit("a.pdf", DOCUMENT, prompt="Whose is this?"))
        assert body["result"]["processing_metadata"]["cache"] in (None, "reading")
    assert len(upstream.received) == before + 2


def test_of_those_who_ask_at_once_one_asks_the_model(caller: Caller, upstream: StandIn) -> None:
    line = Line()
    upstream.script(line, stand_in.answer("another answer"))
    before = len(upstream.received)
    tasks = [caller.submit("a.pdf", DOCUMENT, prompt="How much is it?") for _ in range(20)]
    assert line.asked.wait(PATIENCE)
    until(lambda: sum(waits(caller, task) for task in tasks) == WORKERS - 1)
    line.end.set()
    ended = [caller.ended(task) for task in tasks]
    assert {body["result"]["content"] for body in ended} == {"108.00 EUR"}
    assert len(upstream.received) == before + 1
    marks = [body["result"]["processing_metadata"]["cache"] for body in ended]
    assert marks.count("model") == 19


def test_one_who_waits_takes_over_when_the_other_dies(
    service: RunningService, caller: Caller, upstream: StandIn
) -> None:
    line = Line()
    upstream.script(line, stand_in.answer("the heir's"))
    before = len(upstream.received)
    tasks = [caller.submit("a.pdf", DOCUMENT, prompt="And if he dies?") for _ in range(2)]
    assert line.asked.wait(PATIENCE)
    until(lambda: any(waits(caller, task) for task in tasks))
    kill(asking(Parts(service)))
    ended = [caller.ended(task) for task in tasks]
    line.end.set()
    assert [body["result"]["content"] for body in ended] == ["the heir's"] * 2
    assert len(upstream.received) == before + 2, "asked once by the dead, once by the heir"


def test_a_cancel_ends_the_waiting(caller: Caller, upstream: StandIn) -> None:
    line = Line()
    upstream.script(line, stand_in.answer("108.00 EUR"))
    tasks = [caller.submit("a.pdf", DOCUMENT, prompt="Is it worth waiting?") for _ in range(2)]
    assert line.asked.wait(PATIENCE)
    waiting = until(lambda: next((task for task in tasks if waits(caller, task)), None))
    assert caller.http.delete(f"/api/v2/tasks/{waiting}").status_code == 200
    assert caller.ended(waiting)["status"] == "cancelled"
    line.end.set()
    assert sorted(caller.ended(task)["status"] for task in tasks) == ["cancelled", "completed"]


def asking(parts: Parts) -> psutil.Process:
    """The worker that has the model on the line."""
    return until(lambda: next((each for each in parts.playing("worker") if each.net_connections("inet")), None))
