"""A real service for tests: `manage.py serve` on a free loopback port, with a data directory that goes when it ends."""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
# The rates are not what is tested, but where a test says so.
NO_LIMITS = dict.fromkeys(
    (
        *("per_minute", "per_hour", "per_day", "uploads_per_minute"),
        *("batch_files_per_minute", "status_per_minute", "anonymous_per_minute"),
    ),
    1_000_000,
)
_TABLES = "apiv2.sqlite3"
_PATIENCE = 60.0  # seconds for the parent to end
_LINGERING = 5.0  # seconds for what is below it to be gone, too


@dataclass
class RunningService:
    """A service that has said that it is healthy. `output` is what it has printed until then."""

    url: str
    data_dir: Path
    process: subprocess.Popen[str]
    environment: dict[str, str]
    output: str

    @property
    def admin_key(self) -> str:
        return self.manage("create_api_key", "--admin").strip()

    @property
    def key(self) -> str:
        """A key of a user who is nobody in particular."""
        make = """
from django.contrib.auth.models import User
from django.core.management import call_command
User.objects.get_or_create(username="somebody")
call_command("create_api_key", user="somebody")
"""
        return self.manage("shell", "--no-imports", "-v0", "-c", make).strip()

    def manage(self, *arguments: str) -> str:
        """What a management command beside the service prints."""
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=True)
        return done.stdout

    def processes(self) -> list[psutil.Process]:
        """The parent first, then all that descend from it."""
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def log(self) -> str:
        return (self.data_dir / "stderr").read_text()

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal to the parent and wait until nothing of the tree is left; returns the parent's exit code."""
        tree = self.processes()
        self.process.send_signal(number)
        code = self.process.wait(_PATIENCE)
        _, alive = psutil.wait_procs(tree, timeout=_LINGERING)
        left = [command for process in alive if (command := _killed(process))]
        assert left == [], "processes are left behind"
        return code


@contextlib.contextmanager
def running_service(
    data_dir: Path, *arguments: str, from_nothing: bool = False, **variables: Any
) -> Iterator[RunningService]:
    """Start the service, wait until it is healthy, and end it with the block. Its data directory has static files and
    tables already, unless it is to start `from_nothing`: making them takes longer than all else."""
    data_dir.mkdir(exist_ok=True)
    port = free_port()
    environment = environment_for(data_dir, port, **variables)
    if not from_nothing:
        _prepare(data_dir, with_tables="DATABASE_URL" not in environment)
    process = start(environment, data_dir, *arguments)
    try:
        output = _read_until_ready(process, data_dir)
        service = RunningService(f"http://127.0.0.1:{port}", data_dir, process, environment, output)
        yield service
        if process.poll() is None:
            service.end()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


def start(environment: dict[str, str], data_dir: Path, *arguments: str) -> subprocess.Popen[str]:
    """`manage.py serve` as it is, with its standard error in a file of the data directory."""
    with (data_dir / "stderr").open("a") as log:
        return subprocess.Popen(
            [sys.executable, "manage.py", "serve", *arguments],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )


def environment_for(data_dir: Path, port: int, **variables: Any) -> dict[str, str]:
    """An environment without what the developer's own may hold. Without caches, too: a test that sends a document twice
    means it. And with rates that no test reaches, which asks oftener than a caller may."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    return {
        **kept,
        "API_V2_ENV_FILE": os.devnull,
        "API_V2_DATA_DIR": str(data_dir),
        "PORT": str(port),
        "API_V2_ADMIN_CONFIG": json.dumps({"rate_limits": NO_LIMITS}),
        "ENABLE_MODEL_CACHE": "false",
        "ENABLE_PROCESSING_CACHE": "false",
        **{name: str(value) for name, value in variables.items()},
    }


def _prepare(data_dir: Path, *, with_tables: bool) -> None:
    if not (data_dir / "static").exists():
        shutil.copytree(_prepared() / "static", data_dir / "static", copy_function=_linked)
    if with_tables and not (data_dir / _TABLES).exists():
        shutil.copy2(_prepared() / _TABLES, data_dir / _TABLES)


@functools.cache
def _prepared() -> Path:
    """A data directory from which others are made, as the service's first start makes it before it adds anything."""
    directory = Path(tempfile.mkdtemp(prefix="apiv2-prepared-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    prepare = """
from processing.operations import first_run
first_run._collect_static_files(print)
first_run._migrate(print)
"""
    command = [sys.executable, "manage.py", "shell", "--no-imports", "-v0", "-c", prepare]
    subprocess.run(command, cwd=ROOT, env=environment_for(directory, 1), check=True, stdout=subprocess.DEVNULL)
    return directory


def _linked(source: str, target: str) -> None:
    """Static files are replaced and never written into."""
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)


def free_port() -> int:
    """A port that nobody listens on, below those that the kernel gives to outgoing connections: between this answer and
    the server's start one of these could take it."""
    while True:
        port = random.randrange(15_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _killed(process: psutil.Process) -> list[str]:
    """The command of a process that is left behind, which ends here; nothing of one that is dead already."""
    with contextlib.suppress(psutil.NoSuchProcess):
        if process.status() != psutil.STATUS_ZOMBIE:
            command = process.cmdline()
            process.kill()
            return command
    return []


def _read_until_ready(process: subprocess.Popen[str], data_dir: Path) -> str:
    lines = []
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        if line.startswith("Ctrl-C"):
            return "".join(lines)
    raise AssertionError("the service ended: " + "".join(lines) + (data_dir / "stderr").read_text())


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """One service for all tests that only talk to it."""
    with running_service(tmp_path_factory.mktemp("service")) as running:
        yield running
        assert running.process.poll() is None, running.log()
