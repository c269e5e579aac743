"""The supervisor tells that the host is alive, gives back what the dead held, and outlives a database that is not."""

from __future__ import annotations

import logging
import os
import subprocess
import sys

import pytest
from django.db import OperationalError

from processing.queue import host, supervisor
from processing.queue.cluster import Cluster
from processing.queue.models import WorkerHost
from processing.queue.progress import PATIENCE, Progress
from processing.queue.supervisor import Supervisor
from processing.tasks import lifecycle
from processing.tasks.models import Status, Task
from tests.conftest import Tenant
from tests.tasks.test_lifecycle import claimed, expire, submitted

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def dead() -> int:
    """A process id that was in use and is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_it_works(alice: Tenant) -> None:
    host.say_started(2)
    WorkerHost.objects.update(heartbeat_at="2020-01-01T00:00:00Z")
    lost = submitted(alice)
    claimed()
    expire(lost)
    supervisor.beat(3)
    assert WorkerHost.objects.filter(host.alive(), workers=3, max_concurrent=3).count() == 1
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
        assert Supervisor()._look(Cluster(1))
    assert "heartbeat could not be written" in caplog.text


def test_a_host_that_stops_in_good_order_removes_its_row(alice: Tenant) -> None:
    host.say_started(2)
    host.say_gone()
    assert not WorkerHost.objects.exists()


def test_what_a_dead_worker_held_is_due_at_once_and_the_attempt_counts(alice: Tenant, dead: int) -> None:
    task = submitted(alice)
    lifecycle.claim(host.name(), dead, 1)
    supervisor.end_leases_of_the_dead()
    task.refresh_from_db()
    assert (task.status, task.attempts) == (Status.QUEUED, 1)
    assert lifecycle.due().exists()


def test_a_task_whose_last_worker_died_has_failed(alice: Tenant, dead: int) -> None:
    task = submitted(alice, max_attempts=1)
    lifecycle.claim(host.name(), dead, 1)
    supervisor.end_leases_of_the_dead()
    task.refresh_from_db()
    assert (task.status, task.error_code) == (Status.FAILED, "attempts_exhausted")


def test_the_living_and_the_workers_of_other_hosts_keep_their_tasks(alice: Tenant, dead: int) -> None:
    submitted(alice), submitted(alice)
    lifecycle.claim(host.name(), os.getpid(), 1)
    lifecycle.claim("elsewhere", dead, 1)
    supervisor.end_leases_of_the_dead()
    assert Task.objects.filter(status=Status.PROCESSING).count() == 2


def test_a_task_that_stays_first_in_line_beside_a_free_slot_is_a_stall(alice: Tenant) -> None:
    progress = Progress()
    assert not progress.has_stalled(0)
    submitted(alice)
    assert not progress.has_stalled(1)
    assert not progress.has_stalled(PATIENCE)
    assert progress.has_stalled(PATIENCE + 1)
    progress.forget()
    assert not progress.has_stalled(PATIENCE + 2)


def test_a_line_that_moves_is_no_stall(alice: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    progress = Progress()
    for now in range(0, 100, 10):
        submitted(alice)
        assert not progress.has_stalled(now)
        Task.objects.filter(pk=lifecycle.due().order_by("seq")[0].pk).update(status=Status.COMPLETED)


def test_waiting_for_a_slot_is_no_stall(alice: Tenant) -> None:
    progress = Progress()
    submitted(alice)
    while progress._broker.wanted():
        lifecycle.claim(host.name(), os.getpid(), 100)
        submitted(alice)
    assert not progress.has_stalled(0)
    assert not progress.has_stalled(2 * PATIENCE)
