"""A web host and two worker hosts on one PostgreSQL and one object store: a host that is cut off loses nothing."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.fleet.network import Host, network
from tests.postgres.server import MissingServerError, Server, running_server
from tests.stack.service import ROOT, environment_for
from tests.storage.servers import moto

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400)]

TASKS = 500
LIMIT = 2  # tasks at once on a host
PORT = 3000
PATIENCE = 240.0  # seconds until the test gives up
_OPEN = "status NOT IN ('completed', 'failed', 'cancelled')"


@dataclass(frozen=True)
class Fleet:
    """The hosts, what they share, and the variables that tell them so."""

    database: Server
    web: Host
    workers: Mapping[str, Host]
    environment: dict[str, str]
    directory: Path

    def manage(self, *arguments: str) -> str:
        command = self.web.command(sys.executable, "manage.py", *arguments)
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextlib.contextmanager
    def running(self, name: str, host: Host, *command: str) -> Iterator[subprocess.Popen[bytes]]:
        """A process of the service on a host, with a data directory of its own; asked to end with the block."""
        directory = self.directory / name
        directory.mkdir()
        variables = {**self.environment, "API_V2_HOST_NAME": name, "API_V2_DATA_DIR": str(directory)}
        with (directory / "output").open("wb") as output:
            process = subprocess.Popen(
                host.command(sys.executable, *command), cwd=ROOT, env=variables, stdout=output, stderr=output
            )
        try:
            yield process
            assert process.poll() is None, (directory / "output").read_text()
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            finally:
                process.kill()
                process.wait()

    def said(self) -> str:
        """The end of what each host has written, for a test that fails."""
        return os.linesep.join(file.read_text()[-1500:] for file in self.directory.glob("*/output"))

    def count(self, condition: str) -> int:
        return int(self.database.query(f"SELECT count(*) FROM processing_task WHERE {condition}"))

    def until(self, satisfied: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not satisfied():
            assert time.monotonic() < end, self.said()
            time.sleep(0.1)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with contextlib.ExitStack() as stack:
        net = stack.enter_context(network(3))
        try:
            database = stack.enter_context(running_server(address=net.address))
        except MissingServerError as missing:
            if os.environ.get("CI"):
                raise
            pytest.skip(str(missing))
        (tmp_path / "objects").mkdir()
        objects = stack.enter_context(moto(tmp_path / "objects", net.address))
        web, *workers = net.hosts
        environment = environment_for(
            tmp_path,
            PORT,
            HOST=web.address,
            ALLOWED_HOSTS=web.address,
            DATABASE_URL=database.url(),
            SECRET_KEY=secrets.token_urlsafe(50),
            API_V2_MAX_CONCURRENT=LIMIT,
            STORAGE_PROVIDER="s3",
            **objects.variables,
        )
        found = Fleet(database, web, dict(zip(("worker-a", "worker-b"), workers, strict=True)), environment, tmp_path)
        found.manage("migrate", "-v0")
        found.manage("provision_models")
        yield found


@pytest.fixture
def client(fleet: Fleet) -> Iterator[httpx.Client]:
    make = "from django.contrib.auth.models import User; User.objects.create_user('somebody')"
    fleet.manage("shell", "--no-imports", "-v0", "-c", make)
    headers = {"Authorization": f"Bearer {fleet.manage('create_api_key', '--user', 'somebody').strip()}"}
    url = f"http://{fleet.web.address}:{PORT}"
    with (
        fleet.running("web", fleet.web, "-m", "apiv2project.web"),
        httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=60) as http,
    ):
        fleet.until(lambda: _answers(http))
        yield http


def _answers(http: httpx.Client) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return http.get("/api/version").status_code == 200
    return False


def submit(http: httpx.Client, number: int) -> str:
    fields = {"prompt": "What is the total?", "model": "local", "dedupe": "false"}
    file = (f"{number}.txt", f"Invoice {number}\n\nThe total is {number}.50 EUR.".encode())
    reply = http.post("/api/v2/process", data=fields, files={"file": file})
    assert reply.status_code == 200, reply.text
    return str(reply.json()["task_id"])


def test_it_works(fleet: Fleet, client: httpx.Client) -> None:
    """One host is cut off half-way, with tasks at work, and comes back; 500 tasks are answered, each by one host."""
    with contextlib.ExitStack() as hosts:
        for name, host in fleet.workers.items():
            hosts.enter_context(fleet.running(name, host, "manage.py", "cluster"))
        with ThreadPoolExecutor(4) as clients:
            submitted = clients.map(lambda number: submit(client, number), range(1, TASKS + 1))
            lost = fleet.workers["worker-b"]
            at_work = "host = 'worker-b' AND status = 'processing'"
            fleet.until(lambda: fleet.count("status = 'completed'") > TASKS / 10 and fleet.count(at_work) > 0)
            lost.cut_off()
            taken_over = fleet.count(at_work)
            tasks = list(submitted)
        fleet.until(lambda: fleet.count(_OPEN) == 0)
        assert fleet.count("host = 'worker-b' AND status = 'completed'") > 0, "worker-b had done nothing"
        before = fleet.count("host = 'worker-b'")
        lost.connect()
        fleet.until(lambda: _takes_work_again(fleet, client, before))
        fleet.until(lambda: fleet.count(_OPEN) == 0)
    assert fleet.count("status = 'completed'") == fleet.count("TRUE") > TASKS
    assert fleet.count("attempts > 1") <= taken_over + LIMIT
    for number, task in enumerate(tasks, 1):
        assert f"{number}.50" in client.get(f"/api/v2/status/{task}").json()["result"]["content"]
    assert_each_was_completed_once(fleet)


def _takes_work_again(fleet: Fleet, client: httpx.Client, before: int) -> bool:
    submit(client, TASKS + 1)
    return fleet.count("host = 'worker-b'") > before


def assert_each_was_completed_once(fleet: Fleet) -> None:
    logs = [(fleet.directory / name / "output").read_text() for name in fleet.workers]
    ended = Counter(
        line.split("task=")[1].split()[0] for log in logs for line in log.splitlines() if "task completed" in line
    )
    assert set(ended.values()) == {1}
