"""What must hold on either database: no half of a submission stays, a stop loses nothing, a cancel wins or loses."""

from __future__ import annotations

import os
import random
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests import samples
from tests.modelsregistry import stand_in
from tests.modelsregistry.stand_in import Exchange, StandIn
from tests.postgres.databases import KINDS, restartable_service
from tests.postgres.server import Server
from tests.stack import chaos, chaos_kills, gates
from tests.stack.chaos_rows import Row, Watcher, rows_of
from tests.stack.processes import until
from tests.stack.service import RunningService
from tests.stack.test_work import PATIENCE, Caller

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

CANCELS = 50
RECONCILE = """
from processing.queue.models import Duty
from processing.queue.reconcile import Reconciler
Duty.objects.update(due_at="2000-01-01T00:00Z")
while Reconciler().run() is None:
    pass
"""


@pytest.fixture(scope="module", params=KINDS)
def database_url(request: pytest.FixtureRequest) -> str | None:
    """A new PostgreSQL database, or None for SQLite."""
    if request.param == "sqlite":
        return None
    server: Server = request.getfixturevalue("postgres")
    return server.create_database(f"faults_{uuid.uuid4().hex}")


@pytest.fixture(scope="module")
def upstream() -> Iterator[StandIn]:
    with stand_in.running("reader", "viewer") as running:
        yield running


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory, database_url: str | None, upstream: StandIn
) -> Iterator[RunningService]:
    variables = {
        "DJANGO_SETTINGS_MODULE": "tests.stack.gated_settings",
        **upstream.variables,
        "API_V2_MAX_CONCURRENT": 4,
    }
    with restartable_service(tmp_path_factory.mktemp("faults"), database_url, **variables) as running:
        yield running


@pytest.fixture(scope="module")
def key(service: RunningService) -> str:
    return service.key


@pytest.fixture
def caller(service: RunningService, key: str) -> Caller:
    return Caller(service, key=key)


def test_it_works(caller: Caller) -> None:
    body = caller.ended(caller.submit("invoice.txt", samples.INVOICE.encode(), model="local"))
    assert (body["status"], body["attempts"]) == ("completed", 1)


@pytest.mark.parametrize("gate", gates.GATES)
def test_a_web_process_killed_before_it_replied_leaves_a_whole_task_or_none(
    service: RunningService, database_url: str | None, caller: Caller, gate: str
) -> None:
    """Without a task, whatever is left is a document that can be used or a file that goes once it is old."""
    text = f"{samples.INVOICE}\nSeen where {gate}.".encode()
    before = {row.id for row in tasks(service, database_url)}
    gates.close(service.data_dir, gate)
    with ThreadPoolExecutor(1) as pool:
        reply = pool.submit(caller.submit, "invoice.txt", text, model="local")
        psutil.Process(until(lambda: gates.stopped(service.data_dir))).kill()
        with pytest.raises(httpx.TransportError):
            reply.result(PATIENCE)
    gates.open_again(service.data_dir)
    until(lambda: chaos_kills.is_healthy(service))

    written = [row for row in tasks(service, database_url) if row.id not in before]
    assert len(written) == (1 if gate == gates.COMMITTED else 0)
    for row in written:
        assert caller.ended(str(row.id))["status"] == "completed"

    make_old(service.data_dir)
    service.manage("shell", "--no-imports", "-c", RECONCILE)
    rows = rows_of(service.data_dir, database_url)
    known = {path for path, _ in rows.documents()}
    rows.close()
    assert {str(path.relative_to(service.data_dir / "files")) for path in stored(service.data_dir)} == known
    assert [path for path in (service.data_dir / "incoming").iterdir() if path.stat().st_size] == []

    again = caller.ended(caller.submit("invoice.txt", text, model="local"))
    assert (again["status"], again["attempts"]) == ("completed", 1)


def stored(data_dir: Path) -> list[Path]:
    return [path for path in (data_dir / "files" / "documents").rglob("*") if path.is_file()]


def make_old(data_dir: Path) -> None:
    """So that files count as left over."""
    for path in [*stored(data_dir), *(data_dir / "incoming").iterdir()]:
        os.utime(path, (1, 1))


def tasks(service: RunningService, database_url: str | None) -> list[Row]:
    rows = rows_of(service.data_dir, database_url)
    try:
        return rows.all()
    finally:
        rows.close()


def test_of_a_cancel_and_a_completion_exactly_one_wins(
    service: RunningService, database_url: str | None, caller: Caller, key: str, upstream: StandIn
) -> None:
    chance, lock, asked = random.Random(1), threading.Lock(), threading.Semaphore(0)

    def soon(exchange: Exchange) -> None:
        with lock:
            pause = chance.uniform(0.0, 0.1)
        asked.release()
        time.sleep(pause)
        stand_in.answer("108.00 EUR")(exchange)

    upstream.script(soon)
    watcher = Watcher(service.data_dir, database_url)
    with watcher.watching():
        submitted = [caller.submit("invoice.txt", b"The total is 7.00 EUR.", model="reader") for _ in range(CANCELS)]
        with ThreadPoolExecutor(4) as pool:
            found = pool.map(lambda each: cancelled(service, key, asked, each), submitted)
            replies = dict(zip(submitted, found, strict=True))
        ended = {each: caller.ended(each) for each in submitted}
    assert watcher.changed == []
    for task, reply in replies.items():
        assert reply.status_code in (200, 400), reply.text
        body = ended[task]
        assert body["status"] == ("cancelled" if reply.status_code == 200 else "completed")
        assert bool(body.get("result")) == (body["status"] == "completed")
        assert outcome(caller.status(task)) == outcome(body)
    rows = {str(row.id): row for row in tasks(service, database_url)}
    assert all(rows[task].has_result == (ended[task]["status"] == "completed") for task in submitted)
    assert workers_are_free(caller)


def cancelled(service: RunningService, key: str, asked: threading.Semaphore, task: str) -> httpx.Response:
    """Cancel the task about when a model is asked; those that are cancelled in line ask none."""
    asked.acquire(timeout=0.2)
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.delete(f"{service.url}/api/v2/tasks/{task}", headers=headers, timeout=30, trust_env=False)


def outcome(body: dict[str, Any]) -> tuple[Any, ...]:
    """What of a status may not change any more."""
    return tuple(body.get(name) for name in ("status", "attempts", "completed_at", "result"))


def workers_are_free(caller: Caller) -> bool:
    """Whether new tasks are taken and completed."""
    after = [caller.submit("invoice.txt", samples.INVOICE.encode(), model="local") for _ in range(8)]
    return all(caller.ended(each)["status"] == "completed" for each in after)


def test_a_stop_under_load_loses_nothing(tmp_path: Path, database_url: str | None, postgres_again: str | None) -> None:
    """Callers go on submitting while the service is told to end, twice, and is started again."""
    plan = chaos.Plan(tasks=40, kills=[chaos_kills.STOP] * 2, concurrency=4, slowest=3.0, second_attempts=0, waiting=12)
    report = chaos.run(plan, tmp_path, postgres_again)
    assert report.audit.wrongs == [], report.table()
    assert report.audit.completed == report.audit.tasks


@pytest.fixture
def postgres_again(request: pytest.FixtureRequest, database_url: str | None) -> str | None:
    """Another empty database of the same kind."""
    if database_url is None:
        return None
    server: Server = request.getfixturevalue("postgres")
    return server.create_database(f"stop_{uuid.uuid4().hex}")
