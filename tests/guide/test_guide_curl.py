"""The administrator guide's curl calls and scripts, pasted as they stand there, do what the guide says they do."""

from __future__ import annotations

import io
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from tests import samples
from tests.guide.guide import as_printed
from tests.guide.programs import paste, require, run_script
from tests.stack.service import RunningService

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

VERSION = "curl -s http://localhost:3000/api/version"
HEALTH = "curl -s http://localhost:3000/api/v2/health"
MEMORY_USAGE = "curl -s http://localhost:3000/api/v2/health | jq '.memory_usage'"
CONFIG = "curl -s http://localhost:3000/api/v2/config"
QUEUE_LENGTH = "curl -s http://localhost:3000/api/v2/health | jq '.queue_length'"
ACTIVE_TASKS = "curl -s http://localhost:3000/api/v2/health | jq '.active_tasks'"
MODELS = "curl -s http://localhost:3000/api/v2/models"
TASK_DETAILS = """\
curl -H "Authorization: Bearer <token>" \\
  http://localhost:3000/api/v2/status/<task_id>
"""
CANCEL = """\
curl -X DELETE -H "Authorization: Bearer <token>" \\
  http://localhost:3000/api/v2/tasks/<task_id>
"""

MAX_CONCURRENT = """\
curl -X POST http://localhost:3000/admin/config \\
  -H "Authorization: Bearer <admin_token>" \\
  -H "Content-Type: application/json" \\
  -d '{"api_v2": {"max_concurrent": 8}}'
"""
DISABLE = """\
curl -X POST http://localhost:3000/admin/config \\
  -H "Authorization: Bearer <admin_token>" \\
  -H "Content-Type: application/json" \\
  -d '{"api_v2": {"enabled": false}}'
"""
DEFAULT_MODEL = """\
curl -X POST http://localhost:3000/admin/config \\
  -H "Authorization: Bearer <admin_token>" \\
  -H "Content-Type: application/json" \\
  -d '{"api_v2": {"admin_model": "claude-3-haiku"}}'
"""

HEALTH_CHECK = as_printed(
    16,
    """\
#!/bin/bash
# health_check.sh

HEALTH_URL="http://localhost:3000/api/v2/health"
RESPONSE=$(curl -s -w "%{http_code}" $HEALTH_URL)
HTTP_CODE="${RESPONSE: -3}"

if [ "$HTTP_CODE" = "200" ]; then
    echo "✅ API v2 is healthy"
    exit 0
else
    echo "❌ API v2 health check failed (HTTP $HTTP_CODE)"
    exit 1
fi
""",
)

COMPREHENSIVE_CHECK = as_printed(
    17,
    """\
#!/bin/bash
# comprehensive_check.sh

API_URL="http://localhost:3000/api/v2"

# Check health
HEALTH=$(curl -s "$API_URL/health")
STATUS=$(echo $HEALTH | jq -r '.status')

if [ "$STATUS" != "healthy" ]; then
    echo "⚠️ API v2 status: $STATUS"
fi

# Check memory usage
MEMORY_PERCENT=$(echo $HEALTH | jq -r '.memory_usage.used_percent')
if (( $(echo "$MEMORY_PERCENT > 85" | bc -l) )); then
    echo "🚨 High memory usage: ${MEMORY_PERCENT}%"
fi

# Check active tasks
ACTIVE_TASKS=$(echo $HEALTH | jq -r '.active_tasks')
QUEUE_LENGTH=$(echo $HEALTH | jq -r '.queue_length')

echo "📊 Active tasks: $ACTIVE_TASKS, Queue: $QUEUE_LENGTH"

# Check if models are available
MODELS=$(curl -s "$API_URL/models" | jq -r '.models | length')
echo "🤖 Available models: $MODELS"
""",
)


@pytest.fixture(scope="module")
def key(service: RunningService) -> str:
    """Everybody's `<token>`."""
    return service.key


@pytest.fixture(scope="module")
def address(service: RunningService) -> str:
    """Host and port, as they replace `localhost:3000`. Every web process has noticed by then that workers are there."""
    require("bash", "curl")
    until(lambda: all(set(health_of(service)["services"].values()) == {"healthy"} for _ in range(20)))
    return service.url.removeprefix("http://").rstrip("/")


@pytest.fixture
def api(service: RunningService, key: str) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=service.url, headers=headers, timeout=30, trust_env=False) as client:
        yield client


def health_of(service: RunningService) -> Any:
    """Asked on a connection of its own, which any of the web processes may take."""
    return httpx.get(f"{service.url}/api/v2/health", trust_env=False).json()


def submit(api: httpx.Client, name: str, content: bytes) -> str:
    form = {"prompt": "What is the total amount due?", "model": "local", "dedupe": "false"}
    reply = api.post("/api/v2/process", data=form, files={"file": (name, content)})
    assert reply.status_code == 200, reply.text
    return str(reply.json()["task_id"])


def until(satisfied: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not satisfied():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def printed(command: str, address: str, **placeholders: str) -> Any:
    """The JSON that the command prints."""
    done = paste(command, address, **placeholders)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_it_works(address: str) -> None:
    assert printed(HEALTH, address)["services"]["api_v2"] == "healthy"


def test_verify_tells_the_version(address: str) -> None:
    assert printed(VERSION, address) == {"version": "2.0.0"}


def test_verify_tells_that_the_service_is_healthy(address: str) -> None:
    health = printed(HEALTH, address)
    assert health["status"] in ("healthy", "degraded")  # degraded: this machine's memory is nearly full
    assert set(health["services"].values()) == {"healthy"}, health["details"]
    assert health["version"] == "2.0.0"
    assert abs(health["timestamp"] - time.time()) < 60


def test_memory_monitoring_shows_the_memory_in_use(address: str) -> None:
    require("jq")
    memory = printed(MEMORY_USAGE, address)
    assert set(memory) == {"used_percent", "available_mb", "total_mb"}
    assert 0 < memory["used_percent"] <= 100
    assert 0 < memory["available_mb"] < memory["total_mb"]


def test_memory_monitoring_shows_the_configuration(address: str) -> None:
    config = printed(CONFIG, address)
    assert config["enabled"] is True
    assert config["max_file_size"] == 52_428_800
    assert config["max_concurrent"] >= 1
    assert "pdf" in config["supported_formats"]


def test_basic_health_check_passes(address: str, tmp_path: Path) -> None:
    done = run_script(HEALTH_CHECK, address, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "✅ API v2 is healthy\n", "")


def test_basic_health_check_fails_where_nothing_listens(tmp_path: Path) -> None:
    require("bash", "curl")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: nobody else can take the port meanwhile
        done = run_script(HEALTH_CHECK, f"127.0.0.1:{nobody.getsockname()[1]}", tmp_path)
    assert (done.returncode, done.stdout) == (1, "❌ API v2 health check failed (HTTP 000)\n")


def test_basic_health_check_fails_while_switched_off(address: str, service: RunningService, tmp_path: Path) -> None:
    headers = {"Authorization": f"Bearer {service.admin_key}"}
    url = f"{service.url}/admin/config"

    def says(line: str, code: int) -> bool:
        done = run_script(HEALTH_CHECK, address, tmp_path)
        return (done.returncode, done.stdout) == (code, line)

    with httpx.Client(headers=headers, timeout=30, trust_env=False) as administrator:
        try:
            assert administrator.post(url, json={"api_v2": {"enabled": False}}).status_code == 200
            until(lambda: says("❌ API v2 health check failed (HTTP 503)\n", 1), seconds=10)
        finally:
            assert administrator.post(url, json={"api_v2": {"enabled": None}}).status_code == 200
    # Every process of the web server has to hear of it; a new connection goes to any of them.
    until(lambda: all(says("✅ API v2 is healthy\n", 0) for _ in range(20)), seconds=30)


def test_the_configuration_is_changed_while_the_service_runs(address: str, service: RunningService) -> None:
    admin = service.admin_key
    headers = {"Authorization": f"Bearer {admin}"}
    try:
        assert printed(MAX_CONCURRENT, address, admin_token=admin)["api_v2"]["max_concurrent"] == 8
        assert printed(DEFAULT_MODEL, address, admin_token=admin)["api_v2"]["admin_model"] == "claude-3-haiku"
        assert printed(DISABLE, address, admin_token=admin)["api_v2"]["enabled"] is False
        until(lambda: all(printed(CONFIG, address)["max_concurrent"] == 8 for _ in range(20)), seconds=10)
    finally:
        url = f"{service.url}/admin/config"
        reset = {"api_v2": {"enabled": None, "max_concurrent": None, "admin_model": None}}
        assert httpx.post(url, json=reset, headers=headers, trust_env=False, timeout=30).status_code == 200
    until(lambda: all(health_of(service)["services"]["api_v2"] == "healthy" for _ in range(20)))


def test_comprehensive_check_reports(address: str, tmp_path: Path) -> None:
    require("jq", "bc")
    done = run_script(COMPREHENSIVE_CHECK, address, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert re.search(r"^📊 Active tasks: \d+, Queue: \d+$", done.stdout, re.MULTILINE)
    models = re.search(r"^🤖 Available models: (\d+)$", done.stdout, re.MULTILINE)
    assert models is not None
    assert int(models[1]) >= 1
    # It warns of nothing but this machine's memory, and of that by both lines or by neither.
    warned = "🚨 High memory usage" in done.stdout
    assert ("⚠️ API v2 status: degraded" in done.stdout) == warned
    assert ("⚠️" in done.stdout) == warned


def test_stuck_tasks_counts_are_numbers(address: str) -> None:
    require("jq")
    assert printed(QUEUE_LENGTH, address) >= 0
    assert printed(ACTIVE_TASKS, address) >= 0


def test_stuck_tasks_shows_the_details_of_a_task(address: str, key: str, api: httpx.Client) -> None:
    task = submit(api, "invoice.pdf", samples.pdf())

    def details() -> Any:
        return printed(TASK_DETAILS, address, token=key, task_id=task)

    until(lambda: details()["status"] == "completed")
    assert details()["task_id"] == task
    assert "108.00" in details()["result"]["content"]


def test_stuck_tasks_cancels_a_task_that_is_being_worked_on(address: str, key: str, api: httpx.Client) -> None:
    require("jq")
    task = submit(api, "scan.pdf", long_scan())
    until(lambda: bool(printed(ACTIVE_TASKS, address) >= 1))
    cancelled = printed(CANCEL, address, token=key, task_id=task)
    assert cancelled["task_id"] == task
    assert set(cancelled) == {"message", "task_id", "timestamp"}
    assert printed(TASK_DETAILS, address, token=key, task_id=task)["status"] == "cancelled"
    until(lambda: bool(printed(ACTIVE_TASKS, address) == 0))
    another = submit(api, "invoice.pdf", samples.pdf())  # the worker is free again
    until(lambda: bool(api.get(f"/api/v2/status/{another}").json()["status"] == "completed"))


def test_stuck_tasks_shows_nothing_of_a_task_to_a_stranger(address: str, key: str, api: httpx.Client) -> None:
    task = submit(api, "invoice.pdf", samples.pdf())
    assert printed(TASK_DETAILS, address, token="sk-of-a-stranger", task_id=task)["code"] == "invalid_key"
    nobody = "00000000-0000-4000-8000-000000000000"
    assert printed(CANCEL, address, token=key, task_id=nobody)["code"] == "task_not_found"


def test_stuck_tasks_shows_whether_a_model_is_available(address: str) -> None:
    listed = printed(MODELS, address)
    available = {model["id"] for model in listed["models"] if model["available"]}
    assert "local" in available


def long_scan(pages: int = 40) -> bytes:
    """A PDF of pictures, each of which takes the text recognition its time: longer than the test needs to cancel it."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4)
    picture = ImageReader(io.BytesIO(samples.picture("\n".join([samples.INVOICE] * 6), "JPEG")))
    for _ in range(pages):
        canvas.drawImage(picture, 30, 60, width=535, height=720)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()
