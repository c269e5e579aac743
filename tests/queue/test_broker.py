"""The broker delivers as much work as there is and as there is room for."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from django_q.signing import SignedPackage

from processing.queue import broker, demand, host
from processing.queue.broker import TaskBroker
from processing.queue.demand import Demand
from processing.runtime import configuration
from processing.tasks import lifecycle
from processing.tasks.models import Task
from tests.queue.conftest import Ask

pytestmark = pytest.mark.django_db(transaction=True)


def test_it_works(ask: Ask) -> None:
    ask()
    deliveries = TaskBroker().dequeue()
    assert deliveries is not None
    assert [SignedPackage.loads(signed)["func"] for _, signed in deliveries] == [broker.WORK]


def test_no_more_is_delivered_than_may_run(ask: Ask) -> None:
    configuration.change({"max_concurrent": 2}, author=None)
    for _ in range(4):
        ask()
    assert len(TaskBroker().dequeue() or []) == 2
    lifecycle.claim(host.name(), 1, 2)
    assert len(TaskBroker().dequeue() or []) == 1
    lifecycle.claim(host.name(), 1, 2)
    assert TaskBroker().dequeue() is None


def test_an_empty_queue_delivers_nothing_within_a_turn(ask: Ask) -> None:
    assert TaskBroker().dequeue() is None


def test_a_task_that_arrives_while_the_broker_waits_is_delivered(ask: Ask) -> None:
    task = ask()
    Task.objects.update(status="cancelled")

    def arrive() -> None:
        Task.objects.filter(pk=task.pk).update(status="queued")
        connection.close()

    arrival = threading.Timer(0.1, arrive)
    arrival.start()
    assert len(TaskBroker().dequeue() or []) == 1
    arrival.join()


def test_the_next_turn_waits_for_the_delivered_task_to_be_taken(ask: Ask) -> None:
    ask()
    waiting = TaskBroker()
    assert len(waiting.dequeue() or []) == 1
    lifecycle.claim(host.name(), 1, 1)
    assert waiting.dequeue() is None


def test_a_task_that_becomes_due_while_nothing_is_written_is_delivered_then(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long before the end of the turn, which nothing but a change or this would cut short."""
    task = ask()
    Task.objects.filter(pk=task.pk).update(available_at=timezone.now() + timedelta(seconds=0.5))
    monkeypatch.setattr(broker, "_TURN", 120.0)
    assert len(TaskBroker().dequeue() or []) == 1


def test_what_waits_for_a_slot_is_not_waited_for_by_the_clock(ask: Ask) -> None:
    ask(), ask()
    lifecycle.claim(host.name(), 1, 1)
    configuration.change({"max_concurrent": 1}, author=None)
    assert demand.now() == Demand(wanted=0, later=False)


def test_only_what_waits_for_its_time_is(ask: Ask) -> None:
    assert demand.now() == Demand(wanted=0, later=False)
    assert demand.seconds_until_due() is None
    task = ask()
    Task.objects.filter(pk=task.pk).update(available_at=timezone.now() + timedelta(hours=1))
    assert demand.now() == Demand(wanted=0, later=True)
    left = demand.seconds_until_due()
    assert left is not None
    assert 3000 < left <= 3600
    ask()
    assert demand.now() == Demand(wanted=1, later=False)
