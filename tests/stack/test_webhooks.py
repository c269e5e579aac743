"""A real service tells a receiver of what its tasks came to, also after the process that does so was killed."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import time_machine
from standardwebhooks import Webhook

from tests.modelsregistry import stand_in
from tests.modelsregistry.stand_in import StandIn, respond
from tests.stack.processes import Parts, until
from tests.stack.service import RunningService, running_service

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]


@pytest.fixture
def receiver() -> Iterator[StandIn]:
    with stand_in.running() as running:
        running.script(respond(200, b""))
        yield running


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    allowed = ipaddress.ip_network("127.0.0.0/8")
    with running_service(tmp_path, API_V2_WEBHOOK_NETWORKS=str(allowed), API_V2_MAX_CONCURRENT=1) as running:
        yield running


def test_it_works(service: RunningService, receiver: StandIn) -> None:
    headers = {"Authorization": f"Bearer {service.key}"}
    with httpx.Client(base_url=service.url, headers=headers, trust_env=False) as client:

        def ask() -> str:
            fields = {"prompt": "What is the total?", "model": "local", "webhook_url": receiver.url, "dedupe": "false"}
            file = {"file": ("a.txt", b"The total is 12 euros.", "text/plain")}
            reply = client.post("/api/v2/process", data=fields, files=file)
            assert reply.status_code == 200, reply.text
            return str(reply.json()["task_id"])

        secret = client.post("/api/v2/webhooks/signing_secret", json={}).json()["secret"]
        parts = Parts(service)
        deliverer = parts.the("delivery")
        for number in range(2):
            task = ask()
            until(lambda: len(receiver.received) > number)  # noqa: B023
            message = receiver.received[number]
            with time_machine.travel(int(message.headers["webhook-timestamp"]), tick=False):
                body = Webhook(secret).verify(message.raw, message.headers)
            assert (body["type"], body["data"]["task_id"]) == ("task.completed", task)
            if number == 0:
                deliverer.kill()
                until(lambda: parts.the("delivery").pid != deliverer.pid)
    assert len(receiver.received) == 2
