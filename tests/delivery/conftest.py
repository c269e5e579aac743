"""A receiver on loopback, allowed by setting, a clock that a test moves, and a deliverer that looks when told to."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone
from standardwebhooks import Webhook

from processing.delivery.webhooks import schedule
from processing.delivery.webhooks.deliverer import Deliverer
from processing.delivery.webhooks.models import State, WebhookDelivery
from processing.delivery.webhooks.sending import Letter, Outcome, sender
from processing.tasks import lifecycle
from processing.tasks.lifecycle import Outcome as Answer
from processing.tasks.models import Task
from tests.conftest import Tenant
from tests.modelsregistry.stand_in import Received, StandIn, respond, running
from tests.tasks.test_lifecycle import claimed, submitted


@dataclass
class Clock:
    """The database's, as far as webhooks ask for it."""

    now: datetime = field(default_factory=timezone.now)

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **span: float) -> None:
        self.now += timedelta(**span)


@dataclass
class Receiver:
    """Takes what it is sent, unless a test says otherwise."""

    stand_in: StandIn

    @property
    def url(self) -> str:
        return self.stand_in.url.removesuffix("/v1") + "/hook"

    @property
    def received(self) -> list[Received]:
        return self.stand_in.received

    def replies(self, *replies: Any) -> None:
        self.stand_in.script(*replies)

    def verified(self, secret: str, number: int = -1) -> Any:
        """The body of a message whose signature this secret made, at the moment that it says. Raises otherwise."""
        message = self.received[number]
        with time_machine.travel(int(message.headers["webhook-timestamp"]), tick=False):
            return Webhook(secret).verify(message.raw, message.headers)


TAKEN = respond(200, b"")


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    settings.API_V2_WEBHOOK_NETWORKS = (ipaddress.ip_network("127.0.0.0/8"),)
    with running() as stand_in:
        stand_in.script(TAKEN)
        yield Receiver(stand_in)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(schedule, "now", clock)
    return clock


@dataclass
class Delivering:
    """One deliverer; `once` lets it look until nothing is left to do at this moment."""

    deliverer: Deliverer
    clock: Clock

    def once(self) -> None:
        while self.deliverer.look():
            self.deliverer.settle()

    def all(self) -> int:
        """Move the clock to whatever is due next, until nothing is; returns how often."""
        for count in itertools.count():
            self.once()
            pending = WebhookDelivery.objects.filter(state=State.PENDING).order_by("next_at").first()
            if pending is None:
                return count
            self.clock.now = max(self.clock.now, pending.next_at)
        raise AssertionError


@pytest.fixture
def new_deliverer(clock: Clock) -> Callable[..., Delivering]:
    def make(send: Callable[[Letter], Outcome] | None = None) -> Delivering:
        return Delivering(Deliverer(send or sender(), clock), clock)

    return make


@pytest.fixture
def deliverer(new_deliverer: Callable[..., Delivering]) -> Delivering:
    return new_deliverer()


def completed(tenant: Tenant, content: str = "It.", **columns: Any) -> Task:
    """A task of the tenant's that has ended well."""
    task = submitted(tenant, **columns)
    assert lifecycle.complete(claimed(), Answer({"content": content}, "local", 1, 1, 1, 10.0))
    task.refresh_from_db()
    return task


def registered(tenant: Tenant, url: str, **fields: Any) -> dict[str, Any]:
    response = tenant.client.post("/api/v2/webhooks", {"url": url, **fields}, format="json")
    assert response.status_code == 201, response.content
    body: dict[str, Any] = response.json()
    return body


def row() -> WebhookDelivery:
    return WebhookDelivery.objects.get()
