"""The kills of tests/stack/test_kills.py that ask most of the database, and a run of random ones, on PostgreSQL."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests import samples
from tests.modelsregistry import stand_in
from tests.modelsregistry.stand_in import StandIn
from tests.postgres.databases import restartable_service
from tests.postgres.server import Server
from tests.stack import chaos, chaos_kills
from tests.stack.chaos_kills import Killer
from tests.stack.chaos_rows import rows_of
from tests.stack.service import RunningService
from tests.stack.test_chaos import SMALL
from tests.stack.test_kills import asked_for_ever
from tests.stack.test_work import PATIENCE, Caller

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def upstream() -> Iterator[StandIn]:
    with stand_in.running("reader", "viewer") as running:
        yield running


@pytest.fixture(scope="module")
def url(postgres: Server) -> str:
    return postgres.create_database(f"kills_{uuid.uuid4().hex}")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, url: str, upstream: StandIn) -> Iterator[RunningService]:
    variables = {
        **upstream.variables,
        "API_V2_MAX_CONCURRENT": 2,
    }
    with restartable_service(tmp_path_factory.mktemp("kills"), url, **variables) as running:
        yield running


@pytest.fixture(scope="module")
def caller(service: RunningService) -> Caller:
    return Caller(service)


@pytest.fixture
def killer(service: RunningService, url: str, upstream: StandIn) -> Iterator[Killer]:
    rows = rows_of(service.data_dir, url)
    port = urlsplit(upstream.url).port
    assert port is not None
    yield Killer(service, rows, port, random.Random(1))
    rows.close()


@pytest.mark.parametrize(
    "kind", [chaos_kills.CALLING_WORKER, chaos_kills.SENTINEL, chaos_kills.CLUSTER, chaos_kills.TREE]
)
def test_a_task_whose_worker_is_killed_is_begun_anew(
    killer: Killer, caller: Caller, upstream: StandIn, kind: str
) -> None:
    asked = asked_for_ever(upstream)
    task = caller.submit("invoice.pdf", samples.pdf(), model="reader")
    assert asked.acquire(timeout=PATIENCE)
    killer.kill(kind)
    body = caller.ended(task)
    assert (body["status"], body["attempts"], body["result"]["content"]) == ("completed", 2, "108.00 EUR")


def test_random_kills(tmp_path: Path, database_url: str) -> None:
    report = chaos.run(SMALL, tmp_path, database_url)
    assert report.audit.wrongs == [], report.table()
    assert report.audit.completed + report.audit.exhausted == report.audit.tasks >= SMALL.tasks
