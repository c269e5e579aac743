"""A budget holds over real processes, also when one dies with something reserved; its page's commands run."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.guide.programs import require
from tests.modelsregistry import stand_in
from tests.modelsregistry.stand_in import StandIn
from tests.stack.processes import Parts, kill, until
from tests.stack.service import ROOT, RunningService, running_service
from tests.stack.test_kills import asked_for_ever, worker_of
from tests.stack.test_work import PATIENCE, Caller

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]

BOUND = 1000  # tokens: enough for one request at a time with 200 tokens to answer in, and what two take


@pytest.fixture(scope="module")
def upstream() -> Iterator[StandIn]:
    with stand_in.running("reader") as running:
        yield running


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, upstream: StandIn) -> Iterator[RunningService]:
    variables = {
        **upstream.variables,
        "API_V2_ADMIN_MODEL": "reader",
        "API_V2_MAX_CONCURRENT": 2,
    }
    with running_service(tmp_path_factory.mktemp("budgets"), **variables) as running:
        yield running


def budget(caller: Caller) -> dict[str, Any]:
    [found] = caller.http.get("/api/v2/usage").json()["budgets"]
    return dict(found)


def test_it_works(service: RunningService, upstream: StandIn) -> None:
    """One task asks, another waits for the budget, the first one's worker is killed, and both are answered."""
    caller, admin = Caller(service), Caller(service, admin=True)
    set_up = admin.http.post("/admin/budgets", json={"user": "somebody", "period": "month", "tokens": BOUND})
    assert set_up.status_code == 201, set_up.text
    parts = Parts(service)
    asked = asked_for_ever(upstream)
    text = b"The total is 7.00 EUR."
    first = caller.submit("a.txt", text, max_tokens="200")
    assert asked.acquire(timeout=PATIENCE)
    reserved = budget(caller)["reserved"]["tokens"]
    assert BOUND / 2 < reserved <= BOUND
    second = caller.submit("b.txt", text + b" ", max_tokens="200")
    until(lambda: caller.status(second)["step"] == "waiting for its budget")
    kill(worker_of(parts))
    ended = [caller.ended(task) for task in (first, second)]
    assert [(body["status"], body["attempts"]) for body in ended] == [("completed", 2), ("completed", 1)]
    after = budget(caller)
    assert (after["used"]["tokens"], after["reserved"]["tokens"]) == (2 * (11 + 7), 0)
    [day] = caller.http.get("/api/v2/usage").json()["days"]
    assert (day["model"], day["tasks"], day["failed"]) == ("reader", 2, 0)
    admin.http.patch(f"/admin/budgets/{set_up.json()['id']}", json={"tokens": 36})
    refused = caller.http.post("/api/v2/process", data={"prompt": "What is it?"}, files={"file": ("c.txt", text)})
    assert (refused.status_code, refused.json()["code"]) == (429, "budget_exhausted")


def test_the_commands_of_the_page(service: RunningService) -> None:
    require("bash", "curl")
    text = (ROOT / "docs/budgets.md").read_text()
    commands = re.findall(r"^    (curl .*)$", text.replace("\\\n", " "), re.MULTILINE)
    assert len(commands) == 3
    keys = {"ADMIN_KEY": service.admin_key, "KEY": service.key}
    replies = []
    for command in commands:
        command = command.replace("http://localhost:3000", service.url)
        done = subprocess.run(
            ["bash", "-c", command], env={**service.environment, **keys}, capture_output=True, text=True, check=True
        )
        replies.append(json.loads(done.stdout))
    made, listed, use = replies
    assert (made["user"], made["tokens"], made["money"]) == ("admin", 5_000_000, 20.0)
    assert made["id"] in [each["id"] for each in listed["budgets"]]
    assert set(use) == {"budgets", "days", "since"}
