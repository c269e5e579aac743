"""The administrator guide's models, keys, logs and troubleshooting, pasted block by block on a service that is set up
as the guide does it."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from processing.operations import credentials
from tests import samples
from tests.guide.guide import KEY_ACCESS, MODEL_SETTINGS, as_printed, without
from tests.guide.programs import paste, require
from tests.modelsregistry import stand_in
from tests.modelsregistry.stand_in import Exchange
from tests.stack.service import RunningService, running_service

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

PATIENCE = 60.0  # seconds
LOG = "/var/log/openwebui/api_v2.log"
PULLED = {"name": "llava:latest", "model": "llava:latest", "size": 4_733_363_377, "digest": "8dd30f6b0cb1"}

VERIFY = as_printed(
    1,
    """\
# Check Open WebUI version
curl -s http://localhost:3000/api/version

# Verify API v2 is available
curl -s http://localhost:3000/api/v2/health
""",
)
ADD_MODEL = as_printed(
    8,
    """\
# List current models
curl -H "Authorization: Bearer <admin_token>" \\
  http://localhost:3000/api/v1/models

# Add new model (via admin interface)
curl -X POST http://localhost:3000/admin/models \\
  -H "Authorization: Bearer <admin_token>" \\
  -H "Content-Type: application/json" \\
  -d '{
    "id": "gpt-4-vision-preview",
    "name": "GPT-4 Vision Preview",
    "meta": {
      "vision": true,
      "max_tokens": 4096
    }
  }'
""",
)
DEFAULT_MODEL = as_printed(
    9,
    """\
# Update default model for API v2
curl -X POST http://localhost:3000/admin/config \\
  -H "Authorization: Bearer <admin_token>" \\
  -H "Content-Type: application/json" \\
  -d '{"api_v2": {"admin_model": "claude-3-haiku"}}'
""",
)
LOG_PATTERNS = as_printed(
    19,
    """\
# Error patterns to watch
tail -f /var/log/openwebui/api_v2.log | grep -E "(ERROR|CRITICAL|Failed)"

# Performance patterns
tail -f /var/log/openwebui/api_v2.log | grep -E "(slow|timeout|memory)"

# Success patterns
tail -f /var/log/openwebui/api_v2.log | grep -E "(completed|success)"
""",
)
MEMORY = as_printed(
    33,
    """\
# Check memory usage
free -h
htop

# Check API v2 specific usage
curl -s http://localhost:3000/api/v2/health | jq '.memory_usage'

# Check for memory leaks
ps aux | grep -i webui
""",
)
QUEUE = as_printed(
    35,
    """\
# Check queue status
curl -s http://localhost:3000/api/v2/health | jq '.queue_length'

# Check active tasks
curl -s http://localhost:3000/api/v2/health | jq '.active_tasks'

# Check task details
curl -H "Authorization: Bearer <token>" \\
  http://localhost:3000/api/v2/status/<task_id>
""",
)
QUEUE_SOLUTIONS = as_printed(
    36,
    """\
# Cancel stuck tasks
curl -X DELETE -H "Authorization: Bearer <token>" \\
  http://localhost:3000/api/v2/tasks/<task_id>

# Increase concurrency if resources allow
API_V2_MAX_CONCURRENT=8

# Check model availability
curl -s http://localhost:3000/api/v2/models
""",
)
MODELS = as_printed(
    37,
    """\
# Check available models
curl -s http://localhost:3000/api/v2/models | jq '.models[].id'

# Check model configuration
curl -H "Authorization: Bearer <admin_token>" \\
  http://localhost:3000/api/v1/models

# Check model health
curl -s http://localhost:3000/ollama/api/tags  # For Ollama models
""",
)
DEBUG_MODE = as_printed(
    39,
    """\
# Environment variables
DEBUG=true
OPEN_WEBUI_LOG_LEVEL=DEBUG
SRC_LOG_LEVELS='{"API_V2": "DEBUG"}'

# Check logs
tail -f /var/log/openwebui/api_v2.log
journalctl -u openwebui -f
""",
)

# The rest of these blocks cannot run in a test: `htop` is a screen for a person, `tail` and `journalctl` of block 39
# follow for ever and are tried by the patterns of block 19.
NOT_HERE = {33: "htop", 39: ("tail -f /var/log/openwebui/api_v2.log", "journalctl -u openwebui -f")}


def as_providers(exchange: Exchange) -> None:
    """Speaks as OpenAI does, and as Ollama where that is asked."""
    if exchange.path == "/v1/models":
        listed = [{"id": name, "object": "model"} for name in ("gpt-4-vision-preview", "claude-3-haiku")]
        stand_in.respond(200, {"object": "list", "data": listed})(exchange)
    elif exchange.path == "/api/tags":
        stand_in.respond(200, {"models": [PULLED]})(exchange)
    else:
        stand_in.respond(200, {"capabilities": ["completion", "vision"], "model_info": {}})(exchange)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Its `.env` is the guide's block on keys and that on debugging."""
    directory = tmp_path_factory.mktemp("guide")
    variables = without(DEBUG_MODE, *NOT_HERE[39])
    file = directory / "env"
    file.write_text(KEY_ACCESS + variables)
    with stand_in.running() as server:
        server.script(as_providers)
        with running_service(
            directory / "data",
            API_V2_ENV_FILE=file,
            API_V2_LOG_FILE=directory / "api_v2.log",
            OPENAI_API_BASE_URL=server.url,
            OPENAI_API_KEY="sk-of-the-provider",
            OLLAMA_BASE_URL=server.url.removesuffix("/v1"),
            API_V2_ADMIN_MODEL="local",
        ) as running:
            yield running


@pytest.fixture(scope="module")
def address(service: RunningService) -> str:
    require("bash", "curl", "jq")
    return service.url.removeprefix("http://")


@pytest.fixture(scope="module")
def admin_token(service: RunningService) -> str:
    """A token, because with the guide's `API_KEY_ALLOWED_ENDPOINTS` no key opens the administrator's endpoints."""
    made = credentials.read(credentials.kept_in(service.data_dir))
    assert made is not None
    sign_in = {"email": made.username, "password": made.password}
    reply = httpx.post(f"{service.url}/api/v1/auths/signin", json=sign_in, trust_env=False, timeout=30)
    return str(reply.json()["token"])


@pytest.fixture(scope="module")
def key(service: RunningService, admin_token: str) -> str:
    headers = {"Authorization": f"Bearer {admin_token}"}
    reply = httpx.post(f"{service.url}/api/v1/auths/api_key", headers=headers, trust_env=False, timeout=30)
    return str(reply.json()["api_key"])


def objects(printed: str) -> list[Any]:
    """The JSON values that commands printed one after the other."""
    decoder, found, text = json.JSONDecoder(), [], printed.strip()
    while text:
        value, end = decoder.raw_decode(text)
        found.append(value)
        text = text[end:].strip()
    return found


def submitted(service: RunningService, key: str, **options: str) -> str:
    reply = httpx.post(
        f"{service.url}/api/v2/process",
        data={"prompt": "What is the total amount due?", "model": "local", "dedupe": "false", **options},
        files={"file": ("invoice.pdf", samples.pdf())},
        headers={"Authorization": f"Bearer {key}"},
        trust_env=False,
        timeout=30,
    )
    assert reply.status_code == 200, reply.text
    return str(reply.json()["task_id"])


def completed(service: RunningService, key: str) -> str:
    task = submitted(service, key)
    reply = httpx.get(
        f"{service.url}/api/v2/status/{task}?wait=60",
        headers={"Authorization": f"Bearer {key}"},
        trust_env=False,
        timeout=90,
    )
    assert reply.json()["status"] == "completed", reply.text
    return task


def test_it_works(address: str) -> None:
    """Verify the installation."""
    done = paste(VERIFY, address)
    version, health = objects(done.stdout)
    assert version == {"version": "2.0.0"}
    assert health["services"]["api_v2"] == "healthy"


def test_a_model_is_added_and_listed(address: str, admin_token: str, service: RunningService) -> None:
    done = paste(ADD_MODEL, address, admin_token=admin_token)
    listed, added = objects(done.stdout)
    assert listed["models"]
    assert (added["id"], added["name"]) == ("gpt-4-vision-preview", "GPT-4 Vision Preview")
    assert (added["meta"]["vision"], added["meta"]["max_tokens"]) == (True, 4096)
    shown = httpx.get(f"{service.url}/api/v2/models", trust_env=False).json()
    assert "gpt-4-vision-preview" in shown["vision_models"]


def test_the_default_model_is_set(address: str, admin_token: str, service: RunningService) -> None:
    try:
        [changed] = objects(paste(DEFAULT_MODEL, address, admin_token=admin_token).stdout)
        assert changed["api_v2"]["admin_model"] == "claude-3-haiku"
    finally:
        back(service, admin_token, admin_model=None)


def test_settings_of_single_models_are_put_into_the_configuration(service: RunningService, admin_token: str) -> None:
    wanted = json.loads(MODEL_SETTINGS)
    reply = back(service, admin_token, **wanted)
    assert reply["api_v2"]["model_configs"]["claude-3-haiku"] == wanted["model_configs"]["claude-3-haiku"]
    configs = httpx.get(f"{service.url}/api/v2/models", trust_env=False).json()["model_configs"]
    told = configs["claude-3-haiku"]
    assert {name: told[name] for name in ("temperature", "max_tokens", "timeout")} == {
        "temperature": 0.5,
        "max_tokens": 4096,
        "timeout": 180,
    }


def back(service: RunningService, token: str, **settings: Any) -> Any:
    reply = httpx.post(
        f"{service.url}/admin/config",
        json={"api_v2": settings},
        headers={"Authorization": f"Bearer {token}"},
        trust_env=False,
        timeout=30,
    )
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_keys_open_what_the_guide_allows_them(address: str, key: str, service: RunningService) -> None:
    """With the guide's value a key reads, and cannot cancel: see docs/access.md."""
    task = completed(service, key)
    cancel = QUEUE_SOLUTIONS.partition("\n\n")[0]
    refused = json.loads(paste(cancel, address, token=key, task_id=task).stdout)
    assert refused["code"] == "endpoint_not_allowed"


def test_memory_is_diagnosed(address: str) -> None:
    require("free", "ps")
    done = paste(without(MEMORY, NOT_HERE[33]) + "\n", address)
    assert done.returncode in (0, 1), done.stderr  # 1: grep found no such process
    assert done.stderr == ""
    assert re.search(r"^Mem: ", done.stdout, re.MULTILINE)
    assert '"used_percent"' in done.stdout


def test_the_queue_is_diagnosed(address: str, key: str, service: RunningService) -> None:
    task = completed(service, key)
    waiting, active, details = objects(paste(QUEUE, address, token=key, task_id=task).stdout)
    assert waiting >= 0
    assert active >= 0
    assert (details["task_id"], details["status"]) == (task, "completed")


def test_the_solutions_for_the_queue_run(address: str, admin_token: str, service: RunningService) -> None:
    task = submitted(service, admin_token)
    cancelled, models = objects(paste(QUEUE_SOLUTIONS, address, token=admin_token, task_id=task).stdout)
    assert cancelled.get("task_id") == task
    assert cancelled.get("code", "") in ("", "task_finished")  # it may have been answered before
    assert "local" in {model["id"] for model in models["models"]}


def test_models_are_diagnosed(address: str, admin_token: str) -> None:
    *ids, registry, pulled = objects(paste(MODELS, address, admin_token=admin_token).stdout)
    assert "local" in ids
    assert {model["id"] for model in registry["models"]} >= {"local", "claude-3-haiku"}
    assert pulled["models"] == [PULLED]


def test_debug_mode_shows_more_in_the_log_and_nothing_to_callers(service: RunningService, key: str) -> None:
    completed(service, key)
    log = Path(service.environment["API_V2_LOG_FILE"]).read_text()
    assert re.search(r" (DEBUG|INFO) processing\.", log)
    reply = httpx.get(f"{service.url}/nowhere", headers={"Accept": "text/html"}, trust_env=False)
    assert reply.status_code == 404
    assert "Traceback" not in reply.text
    assert "DEBUG" not in reply.text


def test_the_log_patterns_find_their_events(service: RunningService, key: str) -> None:
    require("bash", "tail", "grep")
    errors, _, success = [line for line in LOG_PATTERNS.splitlines() if line.startswith("tail")]
    with following(success, service) as shown:
        task = completed(service, key)
        assert "completed" in shown.line_with(task)
    with following(errors, service) as shown:
        task = submitted(service, key, response_schema=json.dumps({"const": "nothing that a model would say"}))
        assert "Failed" in shown.line_with(task)


class Screen:
    """A terminal on which a command goes on showing lines. Into a pipe grep would write only when it has a lot."""

    def __init__(self, terminal: int) -> None:
        self._terminal, self._shown = terminal, ""

    def line_with(self, word: str) -> str:
        """The first line that holds the word, once there is one; without grep's colours."""
        until = time.monotonic() + PATIENCE
        while True:
            whole = re.sub(r"\x1b\[[0-9;]*[mK]", "", self._shown).rpartition("\n")[0]
            found = [line for line in whole.splitlines() if word in line]
            if found:
                return found[0]
            assert select.select([self._terminal], [], [], until - time.monotonic())[0], self._shown
            self._shown += os.read(self._terminal, 65_536).decode(errors="replace")


@contextlib.contextmanager
def following(command: str, service: RunningService) -> Iterator[Screen]:
    """`tail -f … | grep …` under way, its file open."""
    file = service.environment["API_V2_LOG_FILE"]
    ours, theirs = pty.openpty()
    shell = ["bash", "-c", command.replace(LOG, file)]
    process = subprocess.Popen(shell, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    try:
        until = time.monotonic() + PATIENCE
        while not any(file in {each.path for each in child.open_files()} for child in family(process.pid)):
            assert time.monotonic() < until
            time.sleep(0.02)
        yield Screen(ours)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(ours)


def family(pid: int) -> list[psutil.Process]:
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]
