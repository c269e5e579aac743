"""The commands of the README, taken from it as they stand there, do what it says."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.guide.programs import require
from tests.stack.service import ROOT, RunningService, environment_for, free_port

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

PYTHON = ".venv/bin/python"
PATIENCE = 120.0  # seconds


def commands(heading: str) -> list[str]:
    """The indented lines under a heading, without their comments; one that ends with a backslash goes on."""
    section = (ROOT / "README.md").read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = "\n".join(line[4:] for line in section.splitlines() if line.startswith("    "))
    return [re.sub(r"\s+# .*", "", line) for line in lines.replace("\\\n", " ").splitlines()]


def paste(command: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-c", command.replace(PYTHON, sys.executable)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_works(service: RunningService) -> None:
    """Asking: three lines that are pasted one after the other."""
    require("bash", "curl")
    key, process, status = [
        line.replace("http://127.0.0.1:3000", service.url) for line in commands("Ask it something")[:3]
    ]
    task = json.loads(paste(f"{key}\n{process}", service.environment))["task_id"]
    until = time.monotonic() + PATIENCE
    while True:
        answered = json.loads(paste(f"{key}\n{status.replace('<task_id>', task)}", service.environment))
        if answered["status"] not in ("queued", "processing"):
            break
        assert time.monotonic() < until, answered
        time.sleep(0.1)
    assert answered["status"] == "completed", answered["error"]
    assert "14 October 2026" in answered["result"]["content"]
    assert answered["result"]["citations"]


def test_the_parts_run_apart(tmp_path: Path) -> None:
    """In production: everything but `make service`, whose work is done where tests run."""
    port = free_port()
    environment = environment_for(tmp_path, port)
    environment |= {"DJANGO_SUPERUSER_PASSWORD": "not-a-secret", "DJANGO_SUPERUSER_USERNAME": "ada"}
    install, *prepare, make_user, web, cluster = commands("Run it for others")
    assert install == "make service"
    for command in prepare:
        paste(command, environment)
    paste(f"{make_user} --noinput --email ada@example.org", environment)

    parts = [
        subprocess.Popen(
            part.replace(PYTHON, sys.executable).split(), cwd=ROOT, env=environment, stderr=subprocess.DEVNULL
        )
        for part in (web, cluster)
    ]
    try:
        assert until_healthy(f"http://127.0.0.1:{port}/api/v2/health")
        key = paste(commands("Ask it something")[0] + "; echo $KEY", environment).strip()
        told = httpx.get(f"http://127.0.0.1:{port}/api/v2/tasks", headers={"Authorization": f"Bearer {key}"})
        assert told.status_code == 200
    finally:
        for part in parts:
            part.send_signal(signal.SIGTERM)
        codes = [part.wait(PATIENCE) for part in parts]
    assert codes == [0, 0]


def until_healthy(url: str) -> bool:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            if httpx.get(url).json()["status"] == "healthy":
                return True
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("document", ["README.md", "docs/architecture.md", "docs/settings.md", "benchmarks/README.md"])
def test_every_make_target_that_is_named_exists(document: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|^    )make ([a-z]+)", (ROOT / document).read_text(), re.MULTILINE))
    assert named <= targets
