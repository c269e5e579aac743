"""The supervisor's heartbeat tells that the host is alive, and outlives a database that is not."""

from __future__ import annotations

import logging

import pytest
from django.db import OperationalError

from processing.queue import host, supervisor
from processing.queue.models import WorkerHost
from processing.tasks import lifecycle
from processing.tasks.models import Status
from tests.conftest import Tenant
from tests.tasks.test_lifecycle import claimed, expire, submitted

pytestmark = pytest.mark.django_db(transaction=True)


def test_it_works(alice: Tenant) -> None:
    host.say_started(2)
    WorkerHost.objects.update(heartbeat_at="2020-01-01T00:00:00Z")
    lost = submitted(alice)
    claimed()
    expire(lost)
    supervisor._beat()
    assert WorkerHost.objects.filter(host.alive()).count() == 1
    lost.refresh_from_db()
    assert lost.status == Status.QUEUED


def test_a_database_that_does_not_answer_does_not_end_the_cluster(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def locked() -> int:
        raise OperationalError("database is locked")

    monkeypatch.setattr(lifecycle, "reap", locked)
    monkeypatch.setattr(supervisor.reconcile, "maybe_run", lambda: None)
    with caplog.at_level(logging.WARNING):
        supervisor._beat()
    assert "heartbeat could not be written" in caplog.text


def test_a_host_that_stops_in_good_order_removes_its_row(alice: Tenant) -> None:
    host.say_started(2)
    host.say_gone()
    assert not WorkerHost.objects.exists()
