"""The staff reads where messages go and what became of them, switches receivers off and sends messages again."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from processing.access.models import AuditEntry
from processing.delivery.webhooks.models import State, WebhookDelivery, WebhookEndpoint
from processing.tasks.models import Task

URL = "https://receiver.example/hook"


@pytest.fixture
def endpoint(owner: User) -> WebhookEndpoint:
    return WebhookEndpoint.objects.create(owner=owner, url=f"{URL}?token=canary", secret_encrypted="encrypted-secret")


@pytest.fixture
def failed(owner: User, endpoint: WebhookEndpoint, task: Task) -> WebhookDelivery:
    return WebhookDelivery.objects.create(
        owner=owner,
        endpoint=endpoint,
        task=task,
        type="task.completed",
        url=endpoint.url,
        body='{"result": "body-canary"}',
        next_at=timezone.now(),
        ended_at=timezone.now(),
        state=State.FAILED,
        tries=10,
        last_status=503,
    )


def act(client: Client, kind: str, action: str, *rows: Any) -> Any:
    data = {"action": action, "_selected_action": [row.pk for row in rows]}
    return client.post(reverse(f"admin:processing_{kind}_changelist"), data, follow=True)


def test_it_works(as_root: Client, endpoint: WebhookEndpoint, failed: WebhookDelivery) -> None:
    for kind, row in (("webhookendpoint", endpoint), ("webhookdelivery", failed)):
        for page in (
            as_root.get(reverse(f"admin:processing_{kind}_changelist")).content.decode(),
            as_root.get(reverse(f"admin:processing_{kind}_change", args=[row.pk])).content.decode(),
        ):
            assert "receiver.example" in page
            assert not [hidden for hidden in ("canary", "encrypted-secret") if hidden in page]


def test_a_message_is_sent_again_under_its_id(as_root: Client, failed: WebhookDelivery) -> None:
    before = failed.id
    act(as_root, "webhookdelivery", "send_again", failed)
    failed.refresh_from_db()
    assert (failed.state, failed.tries, failed.id, failed.ended_at) == (State.PENDING, 0, before, None)
    entry = AuditEntry.objects.get(action="sent_again")
    assert (entry.target_kind, entry.target_id, entry.actor_name) == ("webhook", str(failed), "root")
    act(as_root, "webhookdelivery", "send_again", failed)
    assert AuditEntry.objects.filter(action="sent_again").count() == 1  # It is under way already.


def test_an_endpoint_is_disabled_and_its_owner_cannot_enable_it(
    as_root: Client, endpoint: WebhookEndpoint, failed: WebhookDelivery
) -> None:
    WebhookDelivery.objects.update(state=State.PENDING, ended_at=None)
    act(as_root, "webhookendpoint", "disable", endpoint)
    endpoint.refresh_from_db()
    failed.refresh_from_db()
    assert (endpoint.disabled_because, failed.state) == ("administrator", State.DISCARDED)
    assert AuditEntry.objects.get(action="disabled").actor_name == "root"
    owner = Client()
    owner.force_login(endpoint.owner)
    reply = owner.post(f"/api/v2/webhooks/{endpoint.pk}/enable")
    assert (reply.status_code, reply.json()["code"]) == (403, "webhook_disabled")
    act(as_root, "webhookdelivery", "send_again", failed)
    failed.refresh_from_db()
    assert failed.state == State.DISCARDED
    act(as_root, "webhookendpoint", "enable", endpoint)
    endpoint.refresh_from_db()
    assert endpoint.disabled_at is None


@pytest.mark.parametrize(("kind", "action"), [("webhookendpoint", "disable"), ("webhookdelivery", "send_again")])
def test_who_may_only_look_changes_nothing(staff: Any, endpoint: Any, failed: Any, kind: str, action: str) -> None:
    client = staff(f"processing.view_{kind}")
    act(client, kind, action, endpoint if kind == "webhookendpoint" else failed)
    endpoint.refresh_from_db()
    failed.refresh_from_db()
    assert (endpoint.disabled_at, failed.state) == (None, State.FAILED)
    assert not AuditEntry.objects.exists()
