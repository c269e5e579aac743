"""The end of a batch is told once, when its last item has ended, to whom it concerns."""

from __future__ import annotations

from typing import Any

import pytest

from processing.access.audit import SERVICE
from processing.delivery.webhooks import batch_ends
from processing.delivery.webhooks.models import WebhookDelivery
from processing.operations import erasure
from processing.tasks import batches, lifecycle
from processing.tasks.models import Batch, Task
from tests.conftest import Tenant
from tests.delivery.conftest import Delivering, Receiver, registered
from tests.tasks.test_lifecycle import submitted

pytestmark = pytest.mark.django_db(transaction=True)


def batch_of(tenant: Tenant, count: int, **columns: Any) -> tuple[Batch, list[Task]]:
    batch = Batch.objects.create(owner=tenant.user, api_key=tenant.key, total=count, **columns)
    return batch, [submitted(tenant, batch=batch, batch_line=line + 1) for line in range(count)]


def told(receiver: Receiver) -> list[str]:
    return [each.json["type"] for each in receiver.received]


def test_it_works(alice: Tenant, receiver: Receiver, deliverer: Delivering) -> None:
    webhook = registered(alice, receiver.url, events=["batch.completed"])
    batch, tasks = batch_of(alice, 2)
    lifecycle.cancel(alice.user.pk, tasks[0].id)
    deliverer.once()
    assert receiver.received == []

    lifecycle.cancel(alice.user.pk, tasks[1].id)
    deliverer.once()
    deliverer.once()

    assert len(receiver.received) == 1
    body = receiver.verified(webhook["secret"])
    assert body["type"] == "batch.completed"
    assert (body["data"]["batch_id"], body["data"]["total"]) == (str(batch.id), 2)
    assert body["data"]["counts"]["cancelled"] == 2


def test_its_own_url_is_told_too(alice: Tenant, receiver: Receiver, deliverer: Delivering) -> None:
    _, (task,) = batch_of(alice, 1, webhook_url=receiver.url)
    lifecycle.cancel(alice.user.pk, task.id)
    deliverer.once()
    assert "batch.completed" in told(receiver)


def test_it_is_told_once_by_any_number_of_deliverers(alice: Tenant, receiver: Receiver) -> None:
    registered(alice, receiver.url, events=["batch.completed"])
    batch, (task,) = batch_of(alice, 1)
    lifecycle.cancel(alice.user.pk, task.id)
    assert (batch_ends.announce(), batch_ends.announce()) == (1, 0)
    batches.close(batch.seq)
    assert batch_ends.announce() == 0
    assert WebhookDelivery.objects.count() == 1


def test_nothing_is_left_of_an_erased_one(alice: Tenant, receiver: Receiver) -> None:
    registered(alice, receiver.url, events=["batch.completed"])
    batch, (task,) = batch_of(alice, 1)
    lifecycle.cancel(alice.user.pk, task.id)
    batch_ends.announce()
    erasure.erase_batch(alice.user.pk, batch.id, SERVICE)
    assert not WebhookDelivery.objects.exists()
