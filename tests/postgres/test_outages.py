"""The whole service on PostgreSQL: it works, and it outlives the database's restarts without losing an answer."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from processing.tasks.lifecycle import LEASE
from tests import samples
from tests.modelsregistry import stand_in
from tests.modelsregistry.stand_in import Exchange, StandIn
from tests.postgres.server import Server, running_server
from tests.stack.processes import told
from tests.stack.service import RunningService, running_service
from tests.stack.test_work import Caller

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

SANDBOX = "processing.documents.sandbox.server"
PATIENCE = 60.0  # seconds until a test gives up
DOWN = 12.0  # seconds that the database is away


@pytest.fixture(scope="module")
def upstream() -> Iterator[StandIn]:
    with stand_in.running("reader", "viewer") as running:
        yield running


@pytest.fixture(scope="module")
def server(postgres: Server) -> Iterator[Server]:
    """A PostgreSQL of this module's own, which it may stop; it keeps its port."""
    with running_server() as server:
        yield server


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, server: Server, upstream: StandIn) -> Iterator[RunningService]:
    variables = {
        "DATABASE_URL": server.url(),
        **upstream.variables,
        "API_V2_ADMIN_MODEL": "reader",
        "API_V2_MAX_CONCURRENT": 2,
    }
    with running_service(tmp_path_factory.mktemp("postgres"), **variables) as running:
        yield running


@pytest.fixture(scope="module")
def caller(service: RunningService) -> Caller:
    return Caller(service)


class HeldAnswer:
    """A reply that comes when it is let go."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.let_go = threading.Event()

    def __call__(self, exchange: Exchange) -> None:
        self.asked.set()
        assert self.let_go.wait(PATIENCE)
        stand_in.answer("It is 108.00 EUR.")(exchange)


@contextmanager
def asked(upstream: StandIn, caller: Caller) -> Iterator[tuple[str, HeldAnswer]]:
    """A task whose model is at work; afterwards, it was asked once."""
    reply = HeldAnswer()
    before = len(upstream.received)
    upstream.script(reply)
    task_id = caller.submit("invoice.pdf", samples.pdf())
    assert reply.asked.wait(PATIENCE)
    yield task_id, reply
    assert len(upstream.received) == before + 1


def until_it_answers(service: RunningService) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        assert time.monotonic() < end, service.log()
        reply = httpx.get(f"{service.url}/api/v2/health", trust_env=False)
        if reply.status_code == 200 and set(reply.json()["services"].values()) == {"healthy"}:
            return
        time.sleep(0.1)


def assert_answered(caller: Caller, task_id: str) -> None:
    body = caller.ended(task_id)
    assert (body["status"], body["attempts"]) == ("completed", 1), body
    assert body["result"]["content"] == "It is 108.00 EUR."


def test_it_works(caller: Caller) -> None:
    body = caller.ended(caller.submit("invoice.pdf", samples.pdf(), model="local"))
    assert (body["status"], body["attempts"]) == ("completed", 1), body
    assert "108.00" in body["result"]["content"]


def test_the_database_restarts_while_a_task_runs(
    service: RunningService, server: Server, caller: Caller, upstream: StandIn
) -> None:
    before = lasting(service)
    with asked(upstream, caller) as (task_id, reply):
        server.stop()
        server.start()
        reply.let_go.set()
        until_it_answers(service)
        assert_answered(caller, task_id)
    assert_answered(caller, submitted_now(caller, upstream))
    assert before <= lasting(service), "a process did not live through it"


def lasting(service: RunningService) -> set[int]:
    """All processes but those that read a document, of which each gets its own."""
    return {each.pid for each in service.processes() if not is_reader(each)}


def is_reader(process: psutil.Process) -> bool:
    """A child of a sandbox's server, which has its command; the server itself lasts."""
    commands = told(process.cmdline), told(lambda: psutil.Process(process.ppid()).cmdline())
    return all(SANDBOX in command for command in commands)


def test_the_database_is_down_as_a_task_ends(
    service: RunningService, server: Server, caller: Caller, upstream: StandIn
) -> None:
    with asked(upstream, caller) as (task_id, reply):
        server.stop()
        reply.let_go.set()
        time.sleep(DOWN)
        server.start()
        until_it_answers(service)
        assert_answered(caller, task_id)
    assert "outcome waits for the database" in service.log()


def test_the_database_is_down_for_longer_than_a_lease(
    service: RunningService, server: Server, caller: Caller, upstream: StandIn
) -> None:
    """No worker could renew its lease; none of them is dead, and no task is taken from them."""
    with asked(upstream, caller) as (task_id, reply):
        server.stop()
        time.sleep(LEASE.total_seconds() + 5)
        server.start()
        until_it_answers(service)
        time.sleep(5)  # Two heartbeats, at which the leases of the dead are ended.
        reply.let_go.set()
        assert_answered(caller, task_id)
    assert "leases ran out" not in service.log()


def test_the_database_crashes_while_a_task_runs(
    service: RunningService, server: Server, caller: Caller, upstream: StandIn
) -> None:
    with asked(upstream, caller) as (task_id, reply):
        server.stop(signal.SIGQUIT)
        server.start()
        reply.let_go.set()
        until_it_answers(service)
        assert_answered(caller, task_id)


def test_without_its_database_the_service_says_so(service: RunningService, server: Server, caller: Caller) -> None:
    server.stop()
    try:
        refused = caller.http.get("/api/v2/tasks")
        assert refused.status_code == 503, refused.text
    finally:
        server.start()
        until_it_answers(service)


def submitted_now(caller: Caller, upstream: StandIn) -> str:
    upstream.script(stand_in.answer("It is 108.00 EUR."))
    return caller.submit("invoice.pdf", samples.pdf())


def test_outages_do_not_flood_the_log(service: RunningService) -> None:
    assert "sk-upstream" not in service.log()
    assert Path(service.data_dir, "stderr").stat().st_size < 2_000_000
