"""An upgrade under load: code from before the last migration and today's serve one database, before that migration and
after it, and no call fails and no task is lost."""

from __future__ import annotations

import contextlib
import io
import itertools
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.stack.service import ROOT, environment_for, free_port

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

FOLDERS = ("processing/migrations", "modelsregistry/migrations")
PROGRAM = ("manage.py", "apiv2project", "processing", "modelsregistry")
FIRST_WITHIN_THE_RULE = ("processing/migrations/0015_batches_are_told.py",)
MORE = 10  # submissions to each web server in each phase
PATIENCE = 240.0  # seconds
MAKE_KEY = """
from django.contrib.auth.models import User
from processing.access import keys
print(keys.mint(User.objects.create_user("ada"), "load")[1])
"""


def git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code as it was before the last migration."""
    try:
        last = git("log", "-1", "--diff-filter=A", "--format=%H", "--", *(f"{each}/0*.py" for each in FOLDERS))
        archive = git("archive", f"{last.decode().strip()}^", "--", *PROGRAM)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("the history is not here: this needs a clone with the commit before the last migration")
    code = tmp_path_factory.mktemp("before")
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        packed.extractall(code, filter="data")
    if not all((code / each).exists() for each in FIRST_WITHIN_THE_RULE):
        pytest.skip("the commit before the last migration is older than the rule that migrations only widen the schema")
    return code


@dataclass
class Code:
    """A web server and a cluster that run from one directory."""

    directory: Path
    environment: dict[str, str]
    log: Path
    parts: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.environment['PORT']}"

    def manage(self, *arguments: str) -> str:
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(command, cwd=self.directory, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self) -> None:
        for command in (["-m", "apiv2project.web"], ["manage.py", "cluster"]):
            with self.log.open("ab") as log:
                self.parts.append(
                    subprocess.Popen(
                        [sys.executable, *command], cwd=self.directory, env=self.environment, stdout=log, stderr=log
                    )
                )

    def end(self) -> None:
        for part in self.parts:
            part.send_signal(signal.SIGTERM)
        codes = [part.wait(PATIENCE) for part in self.parts]
        self.parts.clear()
        assert codes == [0, 0], self.log.read_text()

    def until_healthy(self) -> None:
        until = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/api/v2/health", trust_env=False).json()["status"] != "unhealthy":
                    return
            assert all(part.poll() is None for part in self.parts), self.log.read_text()
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.05)


class Load:
    """Submits a document after the other, to each of `servers` in turn, until told to stop."""

    def __init__(self, key: str) -> None:
        self.servers: list[str] = []
        self.tasks: list[str] = []
        self.refused: list[str] = []
        self._counts: dict[str, int] = {}
        self._moved = threading.Condition()
        self._stop = threading.Event()
        self._headers = {"Authorization": f"Bearer {key}"}
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def more(self, *servers: Code) -> None:
        """Let each of these take some, and no other."""
        self.servers = [server.url for server in servers]
        with self._moved:
            goals = {url: self._counts.get(url, 0) + MORE for url in self.servers}
            reached = self._moved.wait_for(
                lambda: self.refused or all(self._counts.get(url, 0) >= goal for url, goal in goals.items()), PATIENCE
            )
        assert reached
        assert self.refused == []

    def _run(self) -> None:
        with httpx.Client(headers=self._headers, timeout=PATIENCE, trust_env=False) as client:
            for number in itertools.count():
                if self._stop.is_set():
                    return
                for url in self.servers:
                    self._submit(client, url, number)

    def _submit(self, client: httpx.Client, url: str, number: int) -> None:
        form = {"prompt": "What is the total?", "model": "local", "dedupe": "false"}
        text = f"Invoice {number}. The total is {number}.00 EUR.".encode()
        try:
            answer = client.post(f"{url}/api/v2/process", data=form, files={"file": ("a.txt", text)})
            task = answer.json().get("task_id")
        except httpx.HTTPError as error:
            answer, task = repr(error), None
        with self._moved:
            if task is None:
                self.refused.append(f"{url}: {answer if isinstance(answer, str) else answer.text}")
            else:
                self.tasks.append(task)
                self._counts[url] = self._counts.get(url, 0) + 1
            self._moved.notify_all()


@pytest.fixture
def codes(before: Path, database_url: str, tmp_path: Path) -> Iterator[tuple[Code, Code]]:
    """The old code and today's, with one database and one data directory, as two hosts."""

    def code(name: str, directory: Path) -> Code:
        variables = {"DATABASE_URL": database_url, "API_V2_HOST_NAME": name, "API_V2_WEB_PROCESSES": 1}
        data = tmp_path / "data"
        data.mkdir(exist_ok=True)
        environment = environment_for(data, free_port(), API_V2_MAX_CONCURRENT=2, **variables)
        return Code(directory, environment, tmp_path / f"{name}.log")

    old, new = code("old", before), code("new", ROOT)
    yield old, new
    for part in (*old.parts, *new.parts):
        part.kill()
        part.wait()


def test_it_works(codes: tuple[Code, Code]) -> None:
    old, new = codes
    old.manage("migrate", "--verbosity=0")
    old.manage("provision_models")
    key = old.manage("shell", "--no-imports", "-c", MAKE_KEY).strip()
    old.start()
    new.start()
    old.until_healthy()
    new.until_healthy()
    with Load(key) as load:
        load.more(old, new)  # today's code on the schema of before
        new.manage("migrate", "--verbosity=0")
        load.more(old, new)  # the old code on today's schema
        load.more(new)
        old.end()
        load.more(new)
    with httpx.Client(base_url=new.url, headers={"Authorization": f"Bearer {key}"}, trust_env=False) as client:
        until = time.monotonic() + PATIENCE
        waiting = set(load.tasks)
        while waiting:
            found = {task: client.get(f"/api/v2/status/{task}", params={"wait": 20}).json() for task in waiting}
            assert not [each for each in found.values() if each["status"] == "failed"], found
            waiting = {task for task, each in found.items() if each["status"] != "completed"}
            assert time.monotonic() < until, waiting
    new.end()
