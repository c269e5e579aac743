"""A message is tried until it is taken, over days, always under the same id; a receiver that says so is left alone."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from processing.access.models import AuditEntry
from processing.delivery.webhooks import deliverer as deliverer_module
from processing.delivery.webhooks import schedule, sending
from processing.delivery.webhooks.models import State, WebhookDelivery, WebhookEndpoint
from processing.delivery.webhooks.sending import Letter, Outcome, sender
from tests.conftest import Tenant
from tests.delivery.conftest import TAKEN, Clock, Delivering, Receiver, completed, registered, row
from tests.modelsregistry.stand_in import Exchange, respond

pytestmark = pytest.mark.django_db
FAILS = respond(503, b"")


def endpoint() -> WebhookEndpoint:
    return WebhookEndpoint.objects.get()


def test_a_receiver_that_was_dead_for_an_hour_gets_everything(
    alice: Tenant, receiver: Receiver, deliverer: Delivering, clock: Clock
) -> None:
    webhook = registered(alice, receiver.url)
    receiver.replies(FAILS)
    tasks = [completed(alice) for _ in range(5)]
    dead_until = clock.now + timedelta(hours=1)
    while clock.now < dead_until:
        deliverer.once()
        clock.pass_by(minutes=1)
    tried = len(receiver.received)
    assert tried >= 5 * 4
    assert endpoint().failing_since is not None

    receiver.replies(TAKEN)
    deliverer.all()
    taken = receiver.received[tried:]
    bodies = [receiver.verified(webhook["secret"], tried + number) for number in range(len(taken))]
    assert {body["data"]["task_id"] for body in bodies} == {str(task.id) for task in tasks}
    assert len(taken) == 5
    sent: dict[str, set[bytes]] = {}
    for message in receiver.received:
        sent.setdefault(message.headers["webhook-id"], set()).add(message.raw)
    assert len(sent) == 5
    assert all(len(bodies) == 1 for bodies in sent.values())
    stamps = {int(message.headers["webhook-timestamp"]) for message in receiver.received}
    assert len(stamps) > 4  # each try is signed anew, at its own moment
    assert set(WebhookDelivery.objects.values_list("state", flat=True)) == {State.DELIVERED}
    assert endpoint().failing_since is None


def test_it_gives_up_after_two_days_and_a_half(
    alice: Tenant, receiver: Receiver, deliverer: Delivering, clock: Clock
) -> None:
    registered(alice, receiver.url)
    receiver.replies(FAILS)
    completed(alice)
    began = clock.now
    deliverer.all()
    assert len(receiver.received) == schedule.TRIES == 10
    assert timedelta(days=1.9) < clock.now - began < timedelta(days=3.1)
    assert (row().state, row().tries, row().last_status) == (State.FAILED, 10, 503)


def test_an_endpoint_that_failed_for_days_is_disabled(
    alice: Tenant, receiver: Receiver, deliverer: Delivering, clock: Clock
) -> None:
    webhook = registered(alice, receiver.url)
    receiver.replies(FAILS)
    completed(alice)
    deliverer.once()
    clock.pass_by(days=3, seconds=1)
    completed(alice)
    deliverer.once()
    shown = alice.client.get(f"/api/v2/webhooks/{webhook['id']}").json()
    assert (shown["enabled"], shown["disabled_because"]) == (False, "failing")
    assert not WebhookDelivery.objects.filter(state=State.PENDING).exists()
    entry = AuditEntry.objects.get(action="disabled")
    assert (entry.target_id, entry.changes) == (webhook["id"], {"because": "failing"})
    # It is told of nothing, until its owner says otherwise.
    received = len(receiver.received)
    completed(alice)
    deliverer.all()
    assert len(receiver.received) == received
    receiver.replies(TAKEN)
    assert alice.client.post(f"/api/v2/webhooks/{webhook['id']}/enable").json()["enabled"] is True
    completed(alice)
    deliverer.all()
    assert len(receiver.received) == received + 1


def test_gone_disables_at_once(alice: Tenant, receiver: Receiver, deliverer: Delivering) -> None:
    registered(alice, receiver.url)
    receiver.replies(respond(410, b""))
    completed(alice)
    deliverer.all()
    assert len(receiver.received) == 1
    assert endpoint().disabled_because == "gone"
    assert row().state == State.FAILED


def test_gone_ends_a_message_to_a_url_that_is_not_registered(
    alice: Tenant, receiver: Receiver, deliverer: Delivering
) -> None:
    receiver.replies(respond(410, b""))
    completed(alice, webhook_url=receiver.url)
    deliverer.all()
    assert len(receiver.received) == 1
    assert row().state == State.FAILED


@pytest.mark.parametrize(
    ("asked", "at_least", "at_most"),
    [("120", 120, 121), ("1", 4, 6.1), ("99999999", 86_400, 86_401), ("-7", 4, 6.1), ("soon", 4, 6.1)],
)
def test_retry_after_is_obeyed_within_bounds(alice, receiver, deliverer, clock, asked, at_least, at_most) -> None:
    registered(alice, receiver.url)
    receiver.replies(respond(429, b"", Retry_After=asked))
    completed(alice)
    deliverer.once()
    wait = (row().next_at - clock.now).total_seconds()
    assert at_least <= wait <= at_most


def test_a_redirect_is_a_failure_and_not_followed(alice: Tenant, receiver: Receiver, deliverer: Delivering) -> None:
    registered(alice, receiver.url)
    receiver.replies(respond(307, b"", Location="/elsewhere"), TAKEN)
    completed(alice)
    deliverer.once()
    assert [message.path for message in receiver.received] == ["/hook"]
    assert (row().state, row().last_status) == (State.PENDING, 307)


@pytest.mark.parametrize("status", [400, 401, 404, 500, 301, 304])
def test_whatever_is_not_2xx_is_tried_again(alice, receiver, deliverer, status) -> None:
    registered(alice, receiver.url)
    receiver.replies(respond(status, b""), respond(204, b""))
    completed(alice)
    deliverer.all()
    assert (row().state, row().tries, row().last_status) == (State.DELIVERED, 2, 204)


def test_ten_gigabytes_are_not_read(alice: Tenant, receiver: Receiver, deliverer: Delivering) -> None:
    sent = 0

    def endless(exchange: Exchange) -> None:
        nonlocal sent
        exchange.head(200, "text/plain", Content_Length=str(10 * 1024**3))
        while True:
            sent += exchange.wfile.write(b"x" * 65_536)

    registered(alice, receiver.url)
    receiver.replies(endless)
    completed(alice)
    deliverer.once()
    assert row().state == State.DELIVERED
    assert receiver.stand_in.hung_up.wait(10)
    assert sent < 32 * 1024**2  # what fits into the kernel's buffers of both ends


def test_a_receiver_that_hangs_is_given_up_and_holds_up_no_other(
    alice: Tenant, mallory: Tenant, receiver: Receiver, deliverer: Delivering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "TIMEOUT", 0.5)
    hanging = socket.create_server(("127.0.0.1", 0))  # takes connections, and says nothing
    url = f"http://127.0.0.1:{hanging.getsockname()[1]}/"
    registered(mallory, url)
    for _ in range(3 * deliverer_module.SLOTS):
        completed(mallory)
    registered(alice, receiver.url)
    completed(alice)
    deliverer.deliverer.look()
    deliverer.deliverer.settle()
    assert len(receiver.received) == 1  # in the first look, though it came last
    hung = WebhookDelivery.objects.filter(owner=mallory.user, tries__gt=0)
    assert set(hung.values_list("last_error", flat=True)) == {"timeout"}
    assert hung.count() == 4
    hanging.close()


def test_a_receiver_that_drips_is_given_up(alice, receiver, deliverer, monkeypatch) -> None:
    def drip(exchange: Exchange) -> None:
        while not exchange.server.stand_in.released.wait(0.05):
            exchange.wfile.write(b"H")

    monkeypatch.setattr(sending, "TIMEOUT", 0.5)
    registered(alice, receiver.url)
    receiver.replies(drip)
    completed(alice)
    deliverer.once()
    assert row().last_error in ("timeout", "broken_answer")
    assert row().state == State.PENDING


def test_nobody_listens(alice: Tenant, receiver: Receiver, deliverer: Delivering) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    registered(alice, f"http://127.0.0.1:{port}/")
    completed(alice)
    deliverer.once()
    assert (row().state, row().last_error, row().last_status) == (State.PENDING, "not_reached", None)


def test_killed_between_sending_and_writing_it_is_sent_again_under_the_same_id(
    alice: Tenant, receiver: Receiver, new_deliverer: Callable[..., Delivering], clock: Clock
) -> None:
    webhook = registered(alice, receiver.url)
    completed(alice)
    killed = new_deliverer()
    killed.deliverer.look()  # Once: a second look would write what became of it.
    killed.deliverer._await(None)  # The receiver has it, and nobody will write so.
    assert len(receiver.received) == 1

    other = new_deliverer()
    other.once()
    assert len(receiver.received) == 1  # The other may still be at it.
    clock.now += deliverer_module.LEASE
    other.once()
    assert len(receiver.received) == 2
    assert len({message.headers["webhook-id"] for message in receiver.received}) == 1
    assert receiver.verified(webhook["secret"], 0) == receiver.verified(webhook["secret"], 1)
    assert row().state == State.DELIVERED
    # What the first one writes now, if it was not dead but slow, changes nothing.
    killed.deliverer._unwritten[:] = [(each, Outcome(500)) for each, _ in killed.deliverer._unwritten]
    killed.deliverer._write()
    assert (row().state, row().tries, row().last_status) == (State.DELIVERED, 2, 200)


def test_of_two_deliverers_one_sends(
    alice: Tenant, receiver: Receiver, new_deliverer: Callable[..., Delivering]
) -> None:
    registered(alice, receiver.url)
    for _ in range(6):
        completed(alice)
    held, begun = threading.Event(), threading.Event()

    def slow(letter: Letter) -> Outcome:
        begun.set()
        held.wait(10)
        return sender()(letter)

    one, two = new_deliverer(slow), new_deliverer()
    while one.deliverer.look():
        continue
    assert begun.wait(10)
    two.once()
    held.set()
    one.deliverer.settle()
    one.once()
    assert len({message.headers["webhook-id"] for message in receiver.received}) == len(receiver.received) == 6


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_away_loses_no_outcome(
    alice: Tenant, receiver: Receiver, deliverer: Delivering, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered(alice, receiver.url)
    completed(alice)
    noted = deliverer.deliverer._note
    failures = iter([deliverer_module.Error("away")])

    def once_away(*arguments: Any) -> None:
        for failure in failures:
            raise failure
        noted(*arguments)

    monkeypatch.setattr(deliverer.deliverer, "_note", once_away)
    stop = threading.Event()
    monkeypatch.setattr(deliverer_module, "_LOOK", 0.01)
    looked = deliverer.deliverer.look

    def look() -> bool:
        is_busy = looked()
        if row().state == State.DELIVERED:
            stop.set()
        return is_busy

    monkeypatch.setattr(deliverer.deliverer, "look", look)
    deliverer.deliverer.run(stop)
    assert (row().state, len(receiver.received)) == (State.DELIVERED, 1)


def test_a_test_is_sent_once(alice: Tenant, receiver: Receiver, deliverer: Delivering) -> None:
    webhook = registered(alice, receiver.url, events=["task.failed"])
    reply = alice.client.post(f"/api/v2/webhooks/{webhook['id']}/test")
    assert (reply.status_code, reply.json()["state"]) == (202, "pending")
    receiver.replies(FAILS)
    deliverer.all()
    body = receiver.verified(webhook["secret"])
    assert (body["type"], body["data"]) == ("webhook.test", {"webhook_id": webhook["id"]})
    (shown,) = alice.client.get(f"/api/v2/webhooks/{webhook['id']}/deliveries").json()["deliveries"]
    assert (shown["id"], shown["state"], shown["last_status"]) == (reply.json()["id"], "failed", 503)
    assert len(receiver.received) == 1


def test_old_messages_go(alice: Tenant, receiver: Receiver, deliverer: Delivering, clock: Clock) -> None:
    registered(alice, receiver.url)
    completed(alice)
    deliverer.once()
    clock.now += deliverer_module.KEPT - timedelta(minutes=1)
    deliverer.once()
    assert WebhookDelivery.objects.exists()
    clock.pass_by(minutes=10)
    deliverer.once()
    assert not WebhookDelivery.objects.exists()
