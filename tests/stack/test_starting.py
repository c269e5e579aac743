"""Starting the service from nothing, starting it again, and ending it: nothing is lost and nothing is left."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from processing.operations import credentials
from tests.stack import service as stack
from tests.stack.processes import told
from tests.stack.service import RunningService, running_service

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]


def health(url: str) -> str:
    """The service's status; the empty string while it does not answer."""
    try:
        with urllib.request.urlopen(f"{url}/api/v2/health", timeout=5) as reply:
            return str(json.load(reply)["status"])
    except OSError:
        return ""


def wait_until_healthy_again(service: RunningService) -> None:
    while health(service.url) != "healthy":
        assert service.process.poll() is None, service.log()
        time.sleep(0.05)


def part_of(service: RunningService, name: str) -> psutil.Process:
    return next(process for process in service.processes()[1:] if name in told(process.cmdline))


def refused(environment: dict[str, str], data_dir: Path) -> tuple[int, str]:
    """The exit code and the standard output of a service that is not to start."""
    process = stack.start(environment, data_dir)
    try:
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode, output


def test_it_works(tmp_path: Path) -> None:
    with running_service(tmp_path / "data", "--demo", from_nothing=True) as service:
        assert "3,760.08" in service.output
        assert "page 2" in service.output
        assert f"{service.url}/api/v2/docs" in service.output


def test_the_first_credentials_are_shown_once_and_kept_for_the_owner_alone(tmp_path: Path) -> None:
    kept_in = credentials.kept_in(tmp_path / "data")
    with running_service(tmp_path / "data", from_nothing=True) as first:
        kept = credentials.read(kept_in)
        assert kept is not None
        assert kept.key in first.output
        assert kept.password in first.output
        assert kept_in.stat().st_mode & 0o777 == 0o600
    with running_service(tmp_path / "data") as second:
        assert kept.password not in second.output
        assert credentials.read(kept_in) == kept
        assert "Preparing" not in second.output
        assert "Collecting" not in second.output


def test_what_is_in_the_data_directory_is_the_owners_alone(tmp_path: Path) -> None:
    with running_service(tmp_path / "data", from_nothing=True):
        readable = [path.name for path in (tmp_path / "data").iterdir() if path.stat().st_mode & 0o077]
    assert readable in ([], ["stderr"])


def test_a_key_is_all_that_create_api_key_prints(service: RunningService) -> None:
    assert re.fullmatch(r"sk-[\w-]{43}\n", service.manage("create_api_key", "--name", "script"))


def test_an_unknown_users_key_is_refused_on_stderr(service: RunningService) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        service.manage("create_api_key", "--user", "nobody")
    assert refused.value.stdout == ""
    assert "nobody" in refused.value.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_every_process(tmp_path: Path, number: signal.Signals) -> None:
    with running_service(tmp_path / "data") as service:
        assert service.end(number) == 0


def test_a_killed_parent_takes_every_process_with_it(tmp_path: Path) -> None:
    with running_service(tmp_path / "data") as service:
        assert service.end(signal.SIGKILL) == -signal.SIGKILL


@pytest.mark.parametrize("name", ["apiv2project.web", "cluster"])
def test_a_killed_service_comes_back(tmp_path: Path, name: str) -> None:
    with running_service(tmp_path / "data") as service:
        killed = part_of(service, name)
        before = killed.children(recursive=True)
        killed.kill()
        psutil.wait_procs([killed, *before], timeout=30)

        while not any(name in told(process.cmdline) for process in service.processes()[1:]):
            assert service.process.poll() is None, service.log()
            time.sleep(0.05)
        wait_until_healthy_again(service)
        assert not any(process.is_running() for process in before)


def test_a_killed_web_process_comes_back(tmp_path: Path) -> None:
    with running_service(tmp_path / "data") as service:
        web = part_of(service, "apiv2project.web")
        workers = web.children()
        for worker in workers:
            worker.kill()
        psutil.wait_procs(workers, timeout=30)

        wait_until_healthy_again(service)


def test_a_port_that_is_taken_is_named_in_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert refused(stack.environment_for(tmp_path, port), tmp_path) == (78, "")

    assert (tmp_path / "stderr").read_text().count("\n") == 1
    assert f"Port {port} " in (tmp_path / "stderr").read_text()


def test_a_second_service_on_the_same_data_directory_is_refused(service: RunningService) -> None:
    environment = {**service.environment, "PORT": str(stack.free_port())}

    assert refused(environment, service.data_dir) == (78, "")
    assert "already runs" in service.log()
    assert health(service.url) == "healthy"


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "http"), ("API_V2_WEB_THREADS", "2"), ("API_V2_TIMEOUT", "soon"), ("OPENAI_API_BASE_URL", "ftp://x")],
)
def test_a_malformed_variable_stops_the_start_and_is_named(tmp_path: Path, name: str, value: str) -> None:
    environment = {**stack.environment_for(tmp_path, stack.free_port()), name: value}

    code, _ = refused(environment, tmp_path)

    assert code == 2
    assert name in (tmp_path / "stderr").read_text()
