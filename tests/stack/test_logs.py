"""The log of a real service: the guide's patterns find their events in its file, which is rotated under it."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from tests import samples
from tests.guide.programs import require
from tests.stack.service import NO_LIMITS, ROOT, RunningService, running_service

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

# The guide's three.
ERRORS = "(ERROR|CRITICAL|Failed)"
PERFORMANCE = "(slow|timeout|memory)"
SUCCESS = "(completed|success)"
PATIENCE = 60.0  # seconds


def scan(pages: int) -> bytes:
    """A PDF of pictures, each of which takes the text recognition about a second."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer)
    picture = ImageReader(io.BytesIO(samples.picture("\n".join([samples.INVOICE] * 6), "JPEG")))
    for _ in range(pages):
        canvas.drawImage(picture, 30, 60, width=535, height=720)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    directory = tmp_path_factory.mktemp("logged")
    (directory / "log").mkdir()
    configured = json.dumps({"rate_limits": NO_LIMITS, "slow_step_seconds": 1})
    log = directory / "log/api_v2.log"
    with running_service(directory / "data", API_V2_LOG_FILE=log, API_V2_ADMIN_CONFIG=configured) as running:
        yield running


@pytest.fixture(scope="module")
def api(service: RunningService) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {service.admin_key}"}
    with httpx.Client(base_url=service.url, headers=headers, timeout=60, trust_env=False) as client:
        yield client


def file_of(service: RunningService) -> Path:
    return Path(service.environment["API_V2_LOG_FILE"])


def submit(api: httpx.Client, document: bytes, **headers: str) -> str:
    answer = api.post(
        "/api/v2/process",
        files={"file": ("document.pdf", document)},
        data={"prompt": "What is the total?", "dedupe": "false"},
        headers=headers,
    )
    assert answer.status_code == 200, answer.text
    return str(answer.json()["task_id"])


def ended(api: httpx.Client, task: str) -> str:
    until = time.monotonic() + PATIENCE
    while (status := api.get(f"/api/v2/status/{task}", params={"wait": 20}).json())["status"] not in (
        "completed",
        "failed",
    ):
        assert time.monotonic() < until, status
    return str(status["status"])


def found(pattern: str, service: RunningService, wanted: Callable[[str], bool]) -> list[str]:
    """The lines that the guide's grep finds, once what is `wanted` is among them: a line may follow its answer."""
    until = time.monotonic() + PATIENCE
    while True:
        grep = subprocess.run(["grep", "-E", pattern, file_of(service)], capture_output=True, text=True)
        lines = grep.stdout.splitlines()
        if any(wanted(line) for line in lines):
            return lines
        assert time.monotonic() < until, file_of(service).read_text()
        time.sleep(0.05)


def test_it_works(service: RunningService, api: httpx.Client) -> None:
    """What went well is found by the pattern for it and by no other."""
    task = submit(api, samples.pdf(), **{"X-Request-ID": "from-the-caller"})
    assert ended(api, task) == "completed"
    lines = found(SUCCESS, service, lambda line: f"task={task}" in line)
    assert any("INFO" in line and "task completed" in line for line in lines)
    own = [line for line in file_of(service).read_text().splitlines() if task in line]
    assert not any(re.search(ERRORS, line) for line in own)
    # From being taken by the web server to its end in a worker, every line names task and request.
    assert "task taken" in own[0]
    assert all("request_id=from-the-caller" in line for line in own)


def test_slow_steps_are_found(service: RunningService, api: httpx.Client) -> None:
    task = submit(api, scan(1))
    assert ended(api, task) == "completed"
    lines = found(PERFORMANCE, service, lambda line: f"task={task}" in line)
    (slow,) = [line for line in lines if f"task={task}" in line]
    assert "WARNING" in slow
    assert "slow step step=read" in slow


def test_a_failure_and_its_timeout_are_found(service: RunningService, api: httpx.Client) -> None:
    changed = api.post("/admin/config", json={"api_v2": {"timeout": 1}})
    assert changed.status_code == 200
    try:
        task = submit(api, scan(20))
        assert ended(api, task) == "failed"
    finally:
        api.post("/admin/config", json={"api_v2": {"timeout": None}})
    for pattern in (ERRORS, PERFORMANCE):
        lines = found(pattern, service, lambda line: f"task={task}" in line)
        assert any("Failed task" in line for line in lines)
    successes = subprocess.run(["grep", "-E", SUCCESS, file_of(service)], capture_output=True, text=True).stdout
    assert task not in successes


def test_nothing_of_a_document_or_a_question_is_in_the_log(service: RunningService, api: httpx.Client) -> None:
    ended(api, submit(api, samples.pdf()))
    written = file_of(service).read_text() + service.log()
    assert "What is the total" not in written
    assert "108.00" not in written


def test_the_file_is_rotated_under_a_running_service(
    service: RunningService, api: httpx.Client, tmp_path: Path
) -> None:
    """With the configuration that is shipped, as it stands there but for the path and the user."""
    require("logrotate")
    before = submit(api, samples.pdf())
    ended(api, before)
    found(SUCCESS, service, lambda line: f"task={before}" in line)
    shipped = (ROOT / "deploy/logrotate.d/api-v2").read_text()
    own = shipped.replace("/var/log/openwebui", str(file_of(service).parent)).replace("su openwebui openwebui", "")
    (tmp_path / "api-v2").write_text(own)
    (tmp_path / "api-v2").chmod(0o644)
    rotate = ["logrotate", "--force", "--state", tmp_path / "state", tmp_path / "api-v2"]
    done = subprocess.run(rotate, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")

    after = submit(api, samples.pdf())
    ended(api, after)
    lines = found(SUCCESS, service, lambda line: f"task={after}" in line)
    assert not any(before in line for line in lines)
    assert before in file_of(service).with_name("api_v2.log.1").read_text()
    # The file is the owner's alone, though the service has made it anew.
    assert file_of(service).stat().st_mode & 0o077 == 0


WRITER = """
import logging, sys
from apiv2project.logs import RotatedFileHandler
log = logging.getLogger("writer")
log.addHandler(RotatedFileHandler(sys.argv[1]))
for number in range(4000):
    log.error("%s %s %s", sys.argv[2], number, "x" * 100)
"""


def test_no_line_is_lost_or_torn_when_several_processes_write(tmp_path: Path) -> None:
    require("logrotate")
    log = tmp_path / "log/api_v2.log"
    log.parent.mkdir()
    rules = tmp_path / "rules"
    rules.write_text(f"{log} {{\n rotate 1000\n missingok\n nocreate\n}}\n")
    rules.chmod(0o644)
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, log, str(number)], cwd=ROOT, env={"PYTHONPATH": str(ROOT)})
        for number in range(3)
    ]
    rotations = 0
    while any(writer.poll() is None for writer in writers):
        rotate = subprocess.run(
            ["logrotate", "--force", "--state", tmp_path / "state", rules], capture_output=True, text=True
        )
        assert rotate.returncode == 0, rotate.stderr
        rotations += 1
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    lines = [line for part in log.parent.iterdir() for line in part.read_text().splitlines()]
    assert sorted(lines) == sorted(f"{who} {number} {'x' * 100}" for who in range(3) for number in range(4000))
    assert rotations > 1
