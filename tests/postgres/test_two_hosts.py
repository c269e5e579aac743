"""Two clusters that share one PostgreSQL race for the same tasks: each is worked on once, within each host's limit."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.postgres.server import Server
from tests.stack.service import ROOT, environment_for

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

TASKS = 400
LIMIT = 2  # tasks at once on a host
HOSTS = ("host-a", "host-b")
PATIENCE = 200.0  # seconds until the test gives up

SUBMIT = f"""
import hashlib
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.db import transaction
from modelsregistry.provisioning import provision
from processing.documents import registry, store
from processing.pipeline.options import RequestOptions
from processing.tasks import lifecycle

provision({{}})
user = User.objects.create_user("alice")
data = b"The total is 7.00 EUR."
document = store.keep(
    user, ContentFile(data), filename="a.txt", format=registry.named("txt"), size=len(data),
    sha256=hashlib.sha256(data).hexdigest(), pages=None,
)
wanted = lifecycle.Submission(user.pk, None, document, "The total?", "local", RequestOptions().kept(), 0, "")
with transaction.atomic():
    for _ in range({TASKS}):
        lifecycle.submit(wanted)
"""


def manage(environment: dict[str, str], *arguments: str) -> None:
    subprocess.run([sys.executable, "manage.py", *arguments], cwd=ROOT, env=environment, check=True)


@contextlib.contextmanager
def cluster(environment: dict[str, str], log: Path) -> Iterator[None]:
    """`manage.py cluster`, asked to end with the block."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "cluster"], cwd=ROOT, env=environment, stdout=output, stderr=output
        )
    try:
        yield
        assert process.poll() is None, log.read_text()
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        finally:
            process.kill()


def most_at_once(spans: list[tuple[str, str]]) -> int:
    """The greatest number of spans that overlap; one that begins when another ends does not."""
    events = [(datetime.fromisoformat(start), 1) for start, _ in spans]
    events += [(datetime.fromisoformat(end), -1) for _, end in spans]
    running = most = 0
    for _, change in sorted(events):
        running += change
        most = max(most, running)
    return most


def test_it_works(postgres: Server, database_url: str, tmp_path: Path) -> None:
    environment = environment_for(tmp_path, 1, DATABASE_URL=database_url, API_V2_MAX_CONCURRENT=LIMIT)
    database = database_url.rsplit("/", 1)[-1]
    manage(environment, "migrate", "-v0")
    manage(environment, "shell", "--no-imports", "-v0", "-c", SUBMIT)
    logs = {host: tmp_path / f"{host}.log" for host in HOSTS}
    with contextlib.ExitStack() as clusters:
        for host in HOSTS:
            clusters.enter_context(cluster({**environment, "API_V2_HOST_NAME": host}, logs[host]))
        wait_until_done(postgres, database, logs)
    rows = tasks(postgres, database)
    assert len(rows) == TASKS
    assert {(status, attempts) for _, status, attempts, *_ in rows} == {("completed", "1")}
    for host in HOSTS:
        spans = [(start, end) for at, _, _, start, end in rows if at == host]
        assert len(spans) > TASKS / 10, "one host did nearly everything: there was no race"
        assert most_at_once(spans) <= LIMIT
    started = Counter(line.split("task=")[1].split()[0] for log in logs.values() for line in starts(log))
    assert len(started) == TASKS
    assert set(started.values()) == {1}


def wait_until_done(postgres: Server, database: str, logs: dict[str, Path]) -> None:
    end = time.monotonic() + PATIENCE
    count = "SELECT count(*) FROM processing_task WHERE status IN ('queued', 'processing')"
    while (left := postgres.query(count, database)) != "0":
        said = os.linesep.join(log.read_text()[-2000:] for log in logs.values())
        assert time.monotonic() < end, f"{left} tasks are left\n{said}"
        time.sleep(0.2)


def tasks(postgres: Server, database: str) -> list[list[str]]:
    """Host, status, attempts, start and end of every task."""
    columns = "host, status, attempts, started_at, completed_at"
    found = postgres.query(f"SELECT {columns} FROM processing_task ORDER BY seq", database)
    return [line.split("|") for line in found.splitlines()]


def starts(log: Path) -> list[str]:
    return [line for line in log.read_text().splitlines() if "task started" in line]
