"""The process tree: what dies is started again, what cannot live ends the service, and nothing is left behind."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import psutil
import pytest

from processing.operations import lifeline, serving
from processing.operations.listening import EXIT_CONFIGURATION
from processing.operations.serving import ProcessTree, Service

FOREVER = "import time; time.sleep(600)"


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_LOOK", 0.01)
    monkeypatch.setattr(serving, "_PAUSES", (0.01, 0.01))
    monkeypatch.setattr(serving, "GRACE", 1.0)
    monkeypatch.setattr(lifeline, "adopt_orphans", lambda: None)  # pytest is to stay as it is,
    monkeypatch.setattr(lifeline, "bury_orphans", lambda _: None)  # and to learn how its own children end


def service(name: str, code: str, directory: Path) -> Service:
    return Service(name, (sys.executable, "-c", code), directory)


class Running:
    """A tree that runs in a thread."""

    def __init__(self, *services: Service) -> None:
        self.services = services
        self.tree = ProcessTree(services)
        self.code: Future[int] = Future()
        self._thread = threading.Thread(target=lambda: self.code.set_result(self.tree.run()))
        self._thread.start()

    def end(self) -> int:
        self.tree.stop.set()
        self._thread.join()
        return self.code.result()


@pytest.fixture
def run() -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def start(*services: Service) -> Running:
        started.append(Running(*services))
        return started[-1]

    yield start
    for running in started:
        running.end()


def wait_for(path: Path, lines: int = 1) -> list[str]:
    """The file's lines, once there are so many."""
    while not path.exists() or path.read_text().count("\n") < lines:
        time.sleep(0.01)
    return path.read_text().splitlines()


def writing(path: Path, then: str = FOREVER) -> str:
    """A program that appends its process id to the file and goes on."""
    return f"import os; f = open({str(path)!r}, 'a'); f.write(f'{{os.getpid()}}\\n'); f.close(); {then}"


def test_it_works(tmp_path: Path, run: Callable[..., Running]) -> None:
    running = run(
        service("a", writing(tmp_path / "a"), tmp_path),
        service("b", writing(tmp_path / "b"), tmp_path),
    )
    pids = [int(wait_for(tmp_path / name)[0]) for name in ("a", "b")]

    assert running.end() == 0
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_a_service_that_dies_is_started_again(tmp_path: Path, run: Callable[..., Running]) -> None:
    running = run(service("a", writing(tmp_path / "a"), tmp_path))
    first = int(wait_for(tmp_path / "a")[0])
    psutil.Process(first).kill()

    assert int(wait_for(tmp_path / "a", 2)[1]) != first
    assert running.end() == 0


def test_a_service_that_cannot_be_kept_running_ends_the_others(tmp_path: Path, run: Callable[..., Running]) -> None:
    other = service("other", writing(tmp_path / "other"), tmp_path)
    running = run(service("a", writing(tmp_path / "a", "raise SystemExit(3)"), tmp_path), other)

    assert running.code.result() == 1
    assert len(wait_for(tmp_path / "a")) == 3
    assert not other.running


def test_a_service_that_a_person_must_put_right_is_not_started_again(
    tmp_path: Path, run: Callable[..., Running]
) -> None:
    running = run(service("a", writing(tmp_path / "a", f"raise SystemExit({EXIT_CONFIGURATION})"), tmp_path))

    assert running.code.result() == EXIT_CONFIGURATION
    assert len(wait_for(tmp_path / "a")) == 1


def test_a_service_that_will_not_end_is_killed_with_its_children(tmp_path: Path, run: Callable[..., Running]) -> None:
    child = writing(tmp_path / "child", "import signal; signal.signal(15, 1); " + FOREVER)
    deaf = f"import signal, subprocess, sys; signal.signal(15, 1); subprocess.run([sys.executable, '-c', {child!r}])"
    running = run(service("deaf", deaf, tmp_path))
    pid = int(wait_for(tmp_path / "child")[0])

    running.end()

    psutil.wait_procs([process for process in psutil.process_iter() if process.pid == pid], timeout=10)
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_processes_that_are_not_the_trees_are_spared(tmp_path: Path, run: Callable[..., Running]) -> None:
    with subprocess.Popen([sys.executable, "-c", FOREVER]) as other:
        running = run(service("a", writing(tmp_path / "a"), tmp_path))
        psutil.Process(int(wait_for(tmp_path / "a")[0])).kill()
        wait_for(tmp_path / "a", 2)
        running.end()

        assert other.poll() is None
        other.kill()


def test_a_child_ends_with_the_server_that_started_it(tmp_path: Path) -> None:
    root = str(Path(__file__).resolve().parents[2])
    child = (
        f"import sys; sys.path.insert(0, {root!r}); from processing.operations import lifeline; "
        f"lifeline.end_with_server(); {writing(tmp_path / 'child')}"
    )
    parent = (
        f"import subprocess, sys; sys.path.insert(0, {root!r}); from processing.operations import lifeline; "
        f"subprocess.run([sys.executable, '-c', {child!r}], env=lifeline.environment_for_children())"
    )
    with subprocess.Popen([sys.executable, "-c", parent], start_new_session=True) as server:
        orphan = psutil.Process(int(wait_for(tmp_path / "child")[0]))
        server.kill()

    orphan.wait(timeout=30)


def test_a_child_whose_server_is_gone_already_does_not_begin() -> None:
    code = "from processing.operations import lifeline; lifeline.end_with_server(); print('begun')"
    root = Path(__file__).resolve().parents[2]
    environment = {lifeline.PARENT_VARIABLE: "1"}
    done = subprocess.run([sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, check=True)

    assert done.stdout == b""
