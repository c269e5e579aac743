"""The service as a user starts it, on an empty data directory and a free port, for as long as a measurement takes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from processing.runtime.parameters import RateLimits

ROOT = Path(__file__).resolve().parent.parent
_PATIENCE = 120.0  # seconds until the service must be healthy
_GRACE = 25.0  # seconds for it to end


class ServiceFailedError(Exception):
    """The service did not come up; the message ends with what it wrote."""


@dataclass(frozen=True, slots=True)
class Service:
    """A running service. `seconds_to_healthy` counts from the start of `manage.py serve`."""

    url: str
    process: subprocess.Popen[bytes]
    data: Path
    environment: Mapping[str, str]
    seconds_to_healthy: float

    def new_key(self) -> str:
        """An API key of the first administrator."""
        return manage("create_api_key", environment=self.environment)

    def tree(self) -> list[psutil.Process]:
        """The parent and all its descendants."""
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]


@contextlib.contextmanager
def fresh_service(settings: str = "apiv2project.settings", **variables: str) -> Iterator[Service]:
    """A healthy service on a data directory that goes when the block ends. Raises `ServiceFailedError`."""
    with (
        tempfile.TemporaryDirectory(prefix="apiv2-bench-") as directory,
        running(Path(directory), settings, **variables) as service,
    ):
        yield service


@contextlib.contextmanager
def running(data: Path, settings: str = "apiv2project.settings", **variables: str) -> Iterator[Service]:
    """A healthy service on this data directory, with these variables. Raises `ServiceFailedError`."""
    port = free_port()
    environment = {**_environment(data, port, settings), **variables}
    url = f"http://127.0.0.1:{port}"
    log = data / "bench.log"
    with log.open("ab") as output:
        started = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "manage.py", "serve"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_healthy(url, process, log, started + _PATIENCE)
        yield Service(url, process, data, environment, time.monotonic() - started)
    finally:
        _stop(process)


def manage(*arguments: str, environment: Mapping[str, str]) -> str:
    """What `manage.py` with these arguments prints."""
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def bare_environment(data: Path) -> dict[str, str]:
    """For `manage` on this data directory, without a service."""
    return _environment(data, 1, "apiv2project.settings")


def _environment(data: Path, port: int, settings: str) -> dict[str, str]:
    """The user's, without what would point the service elsewhere or change how it behaves."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("API_V2_", "OPENAI_", "DJANGO_"))
        and name
        not in ("DATABASE_URL", "REDIS_URL", "DEBUG", "ALLOWED_HOSTS", "SECRET_KEY", "API_KEY_ALLOWED_ENDPOINTS")
    }
    own = {"API_V2_DATA_DIR": str(data), "API_V2_ENV_FILE": os.devnull, "HOST": "127.0.0.1", "PORT": str(port)}
    work = {"ENABLE_MODEL_CACHE": "false", "ENABLE_PROCESSING_CACHE": "false"}  # What is measured is work.
    return {**kept, **own, **work, "API_V2_ADMIN_CONFIG": configured(), "DJANGO_SETTINGS_MODULE": settings}


def configured(**parameters: object) -> str:
    """`API_V2_ADMIN_CONFIG` with these parameters, and with rates that no measurement reaches: they are counted."""
    rates = dict.fromkeys(RateLimits.model_fields, 1_000_000_000)
    return json.dumps({"rate_limits": rates, **parameters})


def free_port() -> int:
    """A port that nobody listens on, for now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes], log: Path, deadline: float) -> None:
    with httpx.Client(base_url=url, timeout=5, trust_env=False) as client:
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(httpx.HTTPError, ValueError):
                services = client.get("/api/v2/health").json()["services"]
                if set(services.values()) == {"healthy"}:
                    return
            time.sleep(0.02)
    raise ServiceFailedError(f"The service is not healthy.\n{log.read_text(errors='replace')[-4000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:  # its children are tied to it by the kernel
        process.kill()
        process.wait()
