"""Keys and tokens on a service of several web processes; the commands of docs/access.md do what the page says."""

from __future__ import annotations

import json
import re
import threading
from typing import Any

import httpx
import pytest

from processing.operations import credentials
from tests.guide.programs import paste, require
from tests.stack.service import ROOT, RunningService
from tests.stack.test_readme import paste as run

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]
ONE_PER_PROCESS = 12  # connections, of which no process is likely to get none


def commands() -> list[str]:
    """The indented blocks of the page that are commands, in order."""
    text = (ROOT / "docs/access.md").read_text()
    blocks = re.findall(r"(?:^    .*\n)+", text, re.MULTILINE)
    lines = [re.sub(r"^    ", "", block, flags=re.MULTILINE) for block in blocks]
    return [line for line in lines if line.startswith(("curl ", ".venv/"))]


def first_password(service: RunningService) -> str:
    found = credentials.read(credentials.kept_in(service.data_dir))
    assert found is not None
    return found.password


def answers(service: RunningService, secret: str, path: str = "/api/v2/tasks") -> set[int]:
    """The statuses of as many new connections as reach every process."""
    headers = {"Authorization": f"Bearer {secret}"}
    with httpx.Client(headers=headers, limits=httpx.Limits(max_keepalive_connections=0)) as client:
        return {client.get(service.url + path).status_code for _ in range(ONE_PER_PROCESS)}


def signed_in(service: RunningService) -> dict[str, Any]:
    reply = httpx.post(
        f"{service.url}/api/v1/auths/signin", json={"email": "admin", "password": first_password(service)}
    )
    body: dict[str, Any] = reply.json()
    assert reply.status_code == 200, body
    return body


def test_the_pages_calls(service: RunningService) -> None:
    require("bash", "curl")
    address = service.url.removeprefix("http://")
    sign_in, mint, _ = commands()
    token = json.loads(paste(sign_in, address, password=first_password(service)).stdout)["token"]
    made = json.loads(paste(mint, address, token=token).stdout)

    assert made["allowed_endpoints"] == ["/api/v2/process", "/api/v2/status"]
    assert answers(service, made["api_key"]) == {403}
    assert answers(service, token) == {200}


def test_the_pages_commands(service: RunningService) -> None:
    require("bash")
    create, show, rotate, revoke = re.sub(r" \\\n\s+", " ", commands()[-1]).splitlines()
    status = "/api/v2/status/0b3f6f0e-2b1f-4c8f-9c61-6d4f0b8f6f10"
    first = run(create, service.environment).strip()
    assert answers(service, first, status) == {404}
    assert answers(service, first) == {403}
    assert first[:8] in run(show, service.environment)
    second = run(rotate.replace("<key>", first[:8]), service.environment).strip()
    assert answers(service, first, status) == answers(service, second, status) == {404}
    run(revoke.replace("<key>", second[:8]), service.environment)
    assert answers(service, first, status) == answers(service, second, status) == {401}


def test_signing_out_ends_a_token_in_every_process(service: RunningService) -> None:
    token = signed_in(service)["token"]
    assert answers(service, token) == {200}
    httpx.post(f"{service.url}/api/v1/auths/signout", headers={"Authorization": f"Bearer {token}"})
    assert answers(service, token) == {401}


def test_a_doubled_slash_is_one(service: RunningService) -> None:
    key = service.manage("create_api_key", "--endpoint", "/api/v2/tasks").strip()
    for path in ("//api/v2/tasks", "//api/v2/tasks/", "/api/v2/%74asks"):
        assert answers(service, key, path) == {200}
    for path in (
        "//api/v2/status/0b3f6f0e-2b1f-4c8f-9c61-6d4f0b8f6f10",
        "//admin/config",
        "/api/v2/tasks%2F..%2Fconfig",
    ):
        assert answers(service, key, path) <= {403, 404}


def test_failures_in_all_processes_lock_a_name(service: RunningService) -> None:
    """Guesses at once, spread over the processes; then the right password of whoever is locked."""
    url, statuses = f"{service.url}/api/v1/auths/signin", []

    def guess() -> None:
        statuses.append(httpx.post(url, json={"email": "nobody", "password": "wrong"}, timeout=60).status_code)

    threads = [threading.Thread(target=guess) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reply = httpx.post(url, json={"email": "nobody", "password": "wrong"})
    assert set(statuses) <= {401, 429}
    assert (reply.status_code, reply.json()["code"]) == (429, "locked_out")
    assert reply.headers["Retry-After"] == str(reply.json()["retry_after"])
    assert signed_in(service)["role"] == "admin"
