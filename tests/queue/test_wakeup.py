"""A process that waits for work learns of it from the database, whoever wrote it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from django.db import connection
from django.utils import timezone

from processing.errors import ModelUnavailable
from processing.queue import wakeup
from processing.queue.wakeup import Polling, WakeUp
from processing.tasks import lifecycle, losses
from processing.tasks.models import Status, Task
from tests.conftest import Tenant
from tests.tasks.test_lifecycle import HOST, claimed, expire, outcome, submitted

pytestmark = pytest.mark.django_db(transaction=True)

LONG = 30.0  # seconds: a wait that nothing ends fails the test


def elsewhere(change: Callable[[], object]) -> None:
    """Make a change by another connection, as another process would."""

    def run() -> None:
        try:
            change()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def wakes(waiting: WakeUp, change: Callable[[], object]) -> bool:
    """Whether the change ends a wait before its time."""
    waiting.arm()
    elsewhere(change)
    started = time.monotonic()
    waiting.wait(LONG)
    return time.monotonic() - started < LONG


@pytest.fixture
def waiting() -> WakeUp:
    return wakeup.of_this_database()


def test_it_works(waiting: WakeUp, alice: Tenant) -> None:
    assert wakes(waiting, lambda: submitted(alice))
    assert wakes(waiting, lambda: submitted(alice))


def test_a_change_while_it_waits_ends_the_wait(waiting: WakeUp, alice: Tenant) -> None:
    waiting.arm()
    later = threading.Timer(0.1, elsewhere, [lambda: submitted(alice)])
    later.start()
    started = time.monotonic()
    waiting.wait(LONG)
    later.join()
    assert time.monotonic() - started < LONG


@pytest.mark.parametrize(
    "change",
    [
        lambda claim: lifecycle.complete(claim, outcome()),
        lambda claim: lifecycle.fail(claim, ModelUnavailable("Busy.", "busy")),
        lambda claim: lifecycle.release(claim),
        lambda claim: lifecycle.cancel(claim.task.owner_id, claim.id),
        lambda claim: (expire(claim.task), losses.reap()),
        lambda _: losses.release_host(HOST, {1}),
        lambda _: Task.objects.update(status=Status.QUEUED, available_at=timezone.now()),
    ],
    ids=["complete", "fail", "release", "cancel", "reap", "release_host", "by hand"],
)
def test_a_slot_that_becomes_free_or_a_task_that_becomes_due_ends_the_wait(
    waiting: WakeUp, alice: Tenant, change: Callable[[lifecycle.Claim], object]
) -> None:
    submitted(alice)
    claim = claimed()
    assert wakes(waiting, lambda: change(claim))


def test_a_lost_connection_is_made_anew(waiting: WakeUp, alice: Tenant) -> None:
    waiting.arm()
    connection.close()
    waiting.wait(0.01)
    assert wakes(waiting, lambda: submitted(alice))


def test_without_a_change_a_wait_lasts_as_long_as_asked(waiting: WakeUp) -> None:
    waiting.arm()
    started = time.monotonic()
    waiting.wait(0.05)
    assert time.monotonic() - started >= 0.05


def test_a_database_that_says_nothing_is_looked_at_often() -> None:
    waiting = Polling()
    waiting.arm()
    started = time.monotonic()
    waiting.wait(LONG)
    assert time.monotonic() - started < LONG
