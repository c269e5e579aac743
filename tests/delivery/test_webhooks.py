"""What happens to a task is told to whoever registered for it, signed, once it is committed; and to nobody else."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from django.db import transaction
from standardwebhooks import Webhook, WebhookVerificationError

from processing.access import audit
from processing.delivery.webhooks import endpoints, messages
from processing.delivery.webhooks.models import State, WebhookDelivery, WebhookEndpoint
from processing.errors import ProcessingError
from processing.operations import erasure
from processing.tasks import lifecycle, losses
from processing.tasks.models import TaskEnding
from tests.conftest import Tenant
from tests.delivery.conftest import Clock, Delivering, Receiver, completed, registered, row
from tests.tasks.test_lifecycle import claimed, submitted

pytestmark = pytest.mark.django_db


def test_it_works(alice: Tenant, receiver: Receiver, deliverer: Delivering) -> None:
    webhook = registered(alice, receiver.url)
    task = completed(alice)
    deliverer.once()

    (message,) = receiver.received
    body = receiver.verified(webhook["secret"])
    assert body["type"] == "task.completed"
    assert body["timestamp"].endswith("Z")
    data = body["data"]
    assert (data["task_id"], data["status"], data["error"]) == (str(task.id), "completed", None)
    assert (data["result_included"], data["result"]) == (True, {"content": "It."})
    assert data["status_path"] == f"/api/v2/status/{task.id}"
    assert message.headers["content-type"] == "application/json"
    assert message.headers["webhook-id"] == str(row())
    assert (row().state, row().tries, row().last_status) == (State.DELIVERED, 1, 200)
    assert alice.client.get(f"/api/v2/webhooks/{webhook['id']}").json()["delivered_at"] is not None
    deliverer.all()
    assert len(receiver.received) == 1
    assert not TaskEnding.objects.exists()


def test_a_url_of_the_task_alone(alice: Tenant, receiver: Receiver, deliverer: Delivering) -> None:
    secret = alice.client.post("/api/v2/webhooks/signing_secret", {}, format="json").json()["secret"]
    completed(alice, webhook_url=receiver.url)
    deliverer.once()
    assert receiver.verified(secret)["type"] == "task.completed"
    # Whoever was not there in time makes a new one; for a day both sign.
    later = alice.client.post("/api/v2/webhooks/signing_secret", {}, format="json").json()["secret"]
    completed(alice, webhook_url=receiver.url)
    deliverer.once()
    assert receiver.verified(secret) == receiver.verified(later)


def test_a_url_that_is_registered_too_is_told_once(alice: Tenant, receiver: Receiver, deliverer: Delivering) -> None:
    webhook = registered(alice, receiver.url, events=["task.failed"])
    completed(alice, webhook_url=receiver.url)
    deliverer.once()
    assert len(receiver.received) == 1
    assert receiver.verified(webhook["secret"])


def test_a_stranger_is_told_nothing(alice: Tenant, mallory: Tenant, receiver: Receiver, deliverer: Delivering) -> None:
    registered(mallory, receiver.url)
    completed(alice)
    deliverer.all()
    assert receiver.received == []
    assert not WebhookDelivery.objects.exists()


def test_a_key_is_told_of_what_is_done_with_it(alice: Tenant, receiver: Receiver, deliverer: Delivering) -> None:
    registered(alice, receiver.url)
    completed(alice, api_key=None)
    deliverer.once()
    assert receiver.received == []


@pytest.mark.parametrize(
    ("end", "kind", "code"),
    [
        (lambda task: lifecycle.cancel(task.owner_id, task.id), "task.cancelled", None),
        (lambda _: lifecycle.fail(claimed(), ProcessingError("It broke.", "broken")), "task.failed", "broken"),
        (lambda task: losses.end_without_document([task.seq]), "task.failed", "document_gone"),
    ],
)
def test_every_end_is_told(alice, receiver, deliverer, end, kind, code) -> None:
    webhook = registered(alice, receiver.url)
    assert end(submitted(alice))
    deliverer.once()
    body = receiver.verified(webhook["secret"])
    assert (body["type"], body["data"]["error_code"], body["data"]["result"]) == (kind, code, None)


def test_only_what_was_asked_for(alice: Tenant, receiver: Receiver, deliverer: Delivering) -> None:
    registered(alice, receiver.url, events=["task.failed", "batch.completed"])
    completed(alice)
    deliverer.once()
    assert receiver.received == []


def test_a_task_that_goes_on_is_not_told(alice: Tenant, receiver: Receiver, deliverer: Delivering) -> None:
    registered(alice, receiver.url)
    submitted(alice)
    lifecycle.release(claimed())
    deliverer.once()
    assert receiver.received == []


def test_what_is_rolled_back_is_not_told(alice: Tenant, receiver: Receiver, deliverer: Delivering) -> None:
    registered(alice, receiver.url)
    task = submitted(alice)
    with transaction.atomic():
        lifecycle.cancel(task.owner_id, task.id)
        transaction.set_rollback(True)
    deliverer.once()
    assert receiver.received == []


def test_an_end_is_told_once_by_any_number_of_deliverers(alice, receiver, deliverer, new_deliverer) -> None:
    registered(alice, receiver.url)
    completed(alice)
    untold = list(TaskEnding.objects.all())
    assert messages.announce_ended_tasks() == 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(messages.endings, "untold", lambda _: untold)  # as another host has read it before
        messages.announce_ended_tasks()
    assert WebhookDelivery.objects.count() == 1


def test_a_long_answer_stays_at_home(alice: Tenant, receiver: Receiver, deliverer: Delivering) -> None:
    webhook = registered(alice, receiver.url)
    completed(alice, content="é" * 12_000)
    deliverer.once()
    data = receiver.verified(webhook["secret"])["data"]
    assert (data["result"], data["result_included"]) == (None, False)
    assert len(receiver.received[0].raw) <= messages.MAX_BYTES


def test_other_scripts_arrive(alice: Tenant, receiver: Receiver, deliverer: Delivering) -> None:
    webhook = registered(alice, receiver.url)
    completed(alice, content="総額 \u2028 12 €")
    deliverer.once()
    assert receiver.verified(webhook["secret"])["data"]["result"] == {"content": "総額 \u2028 12 €"}


def test_a_batch_is_announced_and_forgotten(
    alice: Tenant, receiver: Receiver, deliverer: Delivering, clock: Clock
) -> None:
    webhook = registered(alice, receiver.url)
    batch = "b5c9a1f0-0000-4000-8000-000000000000"
    event = messages.Event(
        messages.BATCH_COMPLETED, clock.now, alice.user.pk, alice.key.pk, {"batch_id": batch}, subject=batch
    )
    assert messages.announce(event) == 1
    deliverer.once()
    assert receiver.verified(webhook["secret"])["data"] == {"batch_id": batch}
    messages.forget(batch)
    assert not WebhookDelivery.objects.exists()


def test_two_signatures_while_a_secret_rotates(
    alice: Tenant, receiver: Receiver, deliverer: Delivering, clock: Clock
) -> None:
    webhook = registered(alice, receiver.url)
    path = f"/api/v2/webhooks/{webhook['id']}/rotate"
    new = alice.client.post(path, {"overlap": 3600}, format="json").json()["secret"]
    completed(alice)
    deliverer.once()
    assert receiver.received[-1].headers["webhook-signature"].count("v1,") == 2
    assert receiver.verified(webhook["secret"]) == receiver.verified(new)

    clock.pass_by(seconds=3601)
    completed(alice)
    deliverer.once()
    receiver.verified(new)
    with pytest.raises(WebhookVerificationError):
        receiver.verified(webhook["secret"])


def test_a_secret_lies_encrypted_and_is_told_nowhere(
    alice: Tenant, receiver: Receiver, deliverer: Delivering, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        webhook = registered(alice, receiver.url)
        completed(alice)
        deliverer.once()
    key = webhook["secret"].removeprefix("whsec_")
    endpoint = WebhookEndpoint.objects.get()
    assert key not in endpoint.secret_encrypted
    assert Webhook(webhook["secret"])
    shown = [
        alice.client.get(path).content.decode() for path in ("/api/v2/webhooks", f"/api/v2/webhooks/{endpoint.pk}")
    ]
    told = [*shown, *(str(each.__dict__) for each in caplog.records), str(list(audit.AuditEntry.objects.values()))]
    assert not [text for text in told if key in text]


def test_an_old_secret_key_can_go(alice: Tenant, receiver: Receiver, deliverer: Delivering, settings) -> None:
    webhook = registered(alice, receiver.url)
    former, settings.SECRET_KEY = settings.SECRET_KEY, "another-key-" * 5
    settings.SECRET_KEY_FALLBACKS = [former]
    assert endpoints.renew_secrets() == 1
    assert endpoints.renew_secrets() == 0
    settings.SECRET_KEY_FALLBACKS = []
    completed(alice)
    deliverer.once()
    assert receiver.verified(webhook["secret"])


def test_a_secret_that_cannot_be_read_holds_up_its_own_messages_alone(
    alice: Tenant, mallory: Tenant, receiver: Receiver, deliverer: Delivering, clock: Clock
) -> None:
    registered(alice, receiver.url)
    WebhookEndpoint.objects.update(secret_encrypted="damaged")
    completed(alice)
    good = registered(mallory, receiver.url)
    completed(mallory)
    deliverer.once()
    assert len(receiver.received) == 1
    assert receiver.verified(good["secret"])
    broken = WebhookDelivery.objects.get(owner=alice.user)
    assert (broken.state, broken.last_error) == (State.PENDING, "secret_unreadable")
    assert broken.next_at > clock.now + timedelta(seconds=3)


def test_a_message_goes_with_its_task(alice: Tenant, receiver: Receiver, deliverer: Delivering) -> None:
    registered(alice, receiver.url)
    task = completed(alice)
    messages.announce_ended_tasks()
    assert "It." in row().body
    erasure.erase_task(alice.user.pk, task.id, audit.SERVICE)
    assert not WebhookDelivery.objects.exists()
    deliverer.once()
    assert receiver.received == []


def test_an_end_whose_task_was_erased_is_forgotten(alice: Tenant, receiver: Receiver, deliverer: Delivering) -> None:
    registered(alice, receiver.url)
    erasure.erase_task(alice.user.pk, completed(alice).id, audit.SERVICE)
    deliverer.once()
    assert receiver.received == []
    assert not TaskEnding.objects.exists()


def test_all_goes_with_its_owner(alice: Tenant, receiver: Receiver, deliverer: Delivering) -> None:
    registered(alice, receiver.url)
    completed(alice, webhook_url="http://127.0.0.1:9999/other")
    deliverer.once()
    erasure.erase_owner(alice.user, audit.SERVICE)
    assert not WebhookDelivery.objects.exists()
    assert not WebhookEndpoint.objects.exists()
