"""Hosts whose clocks are an hour off share a PostgreSQL with one whose clock is right: leases run by the database's.

On SQLite there is one host, and one clock for all of its processes.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.modelsregistry import stand_in
from tests.modelsregistry.stand_in import Exchange, StandIn
from tests.postgres.server import Server
from tests.postgres.test_two_hosts import manage
from tests.stack.service import ROOT, environment_for

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

PATIENCE = 60.0  # seconds until the test gives up; a lease that ran by a wrong clock would take an hour
HOUR = 3600
CLOCKS = {"right": 0, "fast": HOUR, "slow": -HOUR}
BEATS = 4  # heartbeats of each host, with each of which it looks for leases that have run out

SUBMIT = f"""
import hashlib
from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from modelsregistry.provisioning import provision
from processing.documents import registry, store
from processing.pipeline.options import RequestOptions
from processing.tasks import lifecycle

provision(settings.VARIABLES)
user = User.objects.create_user("alice")
data = b"The total is 7.00 EUR."
document = store.keep(
    user, ContentFile(data), filename="a.txt", format=registry.named("txt"), size=len(data),
    sha256=hashlib.sha256(data).hexdigest(), pages=None,
)
for _ in range({len(CLOCKS)}):
    lifecycle.submit(
        lifecycle.Submission(user.pk, None, document, "The total?", "reader", RequestOptions().kept(), 0, "")
    )
"""


@pytest.fixture
def upstream() -> Iterator[StandIn]:
    with stand_in.running("reader", "viewer") as running:
        yield running


@contextlib.contextmanager
def host(name: str, environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`manage.py cluster` on a host of this name; killed with the block."""
    shifted = {"API_V2_HOST_NAME": name, "TEST_CLOCK_OFF": str(CLOCKS[name])}
    settings = {"DJANGO_SETTINGS_MODULE": "tests.postgres.wrong_clock_settings"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "cluster"],
            cwd=ROOT,
            env={**environment, **shifted, **settings},
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_it_works(postgres: Server, database_url: str, tmp_path: Path, upstream: StandIn) -> None:
    environment = environment_for(
        tmp_path,
        1,
        DATABASE_URL=database_url,
        API_V2_MAX_CONCURRENT=1,
        OPENAI_API_BASE_URL=upstream.url,
        OPENAI_API_KEY="sk-upstream",
        OPENAI_API_MODELS="reader",
    )
    manage(environment, "migrate", "-v0")
    manage(environment, "shell", "--no-imports", "-v0", "-c", SUBMIT)
    asked, let_go = threading.Semaphore(0), threading.Event()

    def held(exchange: Exchange) -> None:
        asked.release()
        let_go.wait(PATIENCE * 2)
        stand_in.answer("7.00 EUR")(exchange)

    upstream.script(held, held, held, stand_in.answer("7.00 EUR"))
    database = database_url.rsplit("/", 1)[-1]

    def query(statement: str) -> list[str]:
        return postgres.query(statement, database).splitlines()

    logs = {name: tmp_path / f"{name}.log" for name in CLOCKS}
    with contextlib.ExitStack() as hosts:
        running = {name: hosts.enter_context(host(name, environment, logs[name])) for name in CLOCKS}
        for _ in CLOCKS:
            assert asked.acquire(timeout=PATIENCE), said(logs)
        see_beats(query)
        held_by = query("SELECT host, attempts, lease_token FROM processing_task ORDER BY host")
        assert held_by == ["fast|1|1", "right|1|1", "slow|1|1"], "a lease ran by another clock than the database's"

        for name in ("fast", "slow"):
            running[name].kill()
            running[name].wait()
        let_go.set()
        until(lambda: query("SELECT 1 FROM processing_task WHERE status <> 'completed'") == [], logs)
    outcome = query("SELECT host, attempts FROM processing_task ORDER BY attempts")
    assert outcome == ["right|1", "right|2", "right|2"]
    recent = "completed_at BETWEEN now() - interval '10 minutes' AND now() AND started_at <= completed_at"
    assert query(f"SELECT count(*) FROM processing_task WHERE {recent}") == [str(len(CLOCKS))]


def see_beats(query: Callable[[str], list[str]]) -> None:
    """Until every host has beaten so many times."""
    seen: set[str] = set()

    def enough() -> bool:
        seen.update(query("SELECT host, heartbeat_at FROM processing_workerhost"))
        return all(sum(each.startswith(f"{name}|") for each in seen) > BEATS for name in CLOCKS)

    until(enough, {})


def until(condition: Callable[[], bool], logs: dict[str, Path]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, said(logs)
        time.sleep(0.2)


def said(logs: dict[str, Path]) -> str:
    return os.linesep.join(log.read_text()[-3000:] for log in logs.values())
