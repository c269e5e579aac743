"""The supervisor tells that the host is alive, gives back what the dead held, and outlives a database that is not."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from processing.queue import contact, demand, host, supervisor, watch
from processing.queue.cluster import Cluster
from processing.queue.models import WorkerHost
from processing.queue.progress import PATIENCE, Progress
from processing.queue.supervisor import Supervisor
from processing.tasks import lifecycle
from processing.tasks.models import Status, Task
from tests.conftest import Tenant
from tests.tasks.test_lifecycle import claimed, expire, submitted

pytestmark = pytest.mark.django_db(transaction=True)

LEASE = lifecycle.LEASE.total_seconds()


@pytest.fixture
def dead() -> int:
    """A process id that was in use and is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.fixture(autouse=True)
def no_rounds(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each round of reconciliation that was asked for might reap; none takes place."""
    asked: list[bool] = []
    monkeypatch.setattr(supervisor.reconcile, "maybe_run", lambda *, reap: asked.append(reap))
    return asked


class Clock:
    """What `time.monotonic()` says to the contact with the database."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(contact.time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def beat(keeper: Supervisor, clock: Clock, since: datetime, seconds: float) -> None:
    """Heartbeats for so many seconds, one every two."""
    end = clock.now + seconds
    while clock.now < end:
        clock.now += 2.0
        keeper._beat(since)


def status(task: Task) -> str:
    task.refresh_from_db()
    return task.status


@contextlib.contextmanager
def outage(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No heartbeat can be written."""

    def locked(*_: object) -> None:
        raise OperationalError("database is locked")

    with monkeypatch.context() as patch:
        patch.setattr(supervisor.host, "say_alive", locked)
        yield


def test_it_works(alice: Tenant, clock: Clock, no_rounds: list[bool]) -> None:
    since = host.say_started(2)
    WorkerHost.objects.update(heartbeat_at="2020-01-01T00:00:00Z")
    lost = submitted(alice)
    claimed()
    expire(lost)
    keeper = Supervisor()
    keeper._workers = 3
    beat(keeper, clock, since, LEASE + 2)
    assert WorkerHost.objects.filter(host.alive(), workers=3, max_concurrent=3).count() == 1
    assert status(lost) == Status.QUEUED
    assert (no_rounds[0], no_rounds[-1]) == (False, True)


def test_after_an_outage_nobody_loses_an_attempt_because_he_could_not_renew_his_lease(
    alice: Tenant, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    since = host.say_started(2)
    keeper = Supervisor()
    beat(keeper, clock, since, 3 * LEASE)
    task = submitted(alice)
    claim = claimed()
    with outage(monkeypatch):
        keeper._beaten = -1e9
        assert keeper._look(Cluster(1), since)
    expire(task)
    clock.now += 1.0
    beat(keeper, clock, since, LEASE - 4)
    assert status(task) == Status.PROCESSING
    assert lifecycle.heartbeat(claim)
    beat(keeper, clock, since, LEASE)
    assert status(task) == Status.PROCESSING
    expire(task)
    beat(keeper, clock, since, 2.0)
    assert status(task) == Status.QUEUED


def test_a_database_that_was_slow_and_did_not_fail_costs_no_attempt_either(alice: Tenant, clock: Clock) -> None:
    """A lock that somebody held for long: the heartbeat waited as the workers did, and came through before theirs."""
    since = host.say_started(2)
    keeper = Supervisor()
    beat(keeper, clock, since, 3 * LEASE)
    task = submitted(alice)
    claimed()
    expire(task)
    clock.now += LEASE + 5
    keeper._beat(since)
    assert status(task) == Status.PROCESSING


def test_a_host_that_comes_back_does_not_judge_others_at_once(alice: Tenant, clock: Clock) -> None:
    task = submitted(alice)
    claimed()
    expire(task)
    Supervisor()._beat(host.say_started(2))
    assert status(task) == Status.PROCESSING


def test_a_dead_host_is_noticed_in_time() -> None:
    """Within 30 s of its death, and never while a renewal may still be under way."""
    assert supervisor._BEAT + supervisor._LOOK + LEASE <= 25
    slowest_renewal = watch._RENEW + watch._LOOK + watch._LOCKED
    assert 2 * slowest_renewal < LEASE
    assert slowest_renewal + contact._BREAK < LEASE


def test_a_database_that_does_not_answer_does_not_end_the_cluster(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), outage(monkeypatch):
        assert Supervisor()._look(Cluster(1), timezone.now())
    assert "heartbeat could not be written" in caplog.text


def test_a_host_that_stops_in_good_order_removes_its_row(alice: Tenant) -> None:
    since = host.say_started(2)
    host.say_gone(since)
    assert not WorkerHost.objects.exists()


def test_a_row_that_somebody_deleted_is_written_again(alice: Tenant) -> None:
    since = host.say_started(2)
    WorkerHost.objects.all().delete()
    host.say_alive(3, since)
    host.say_alive(4, since)
    assert WorkerHost.objects.get().workers == 4


def test_a_cluster_whose_name_another_has_taken_ends_and_leaves_the_others_row(alice: Tenant) -> None:
    since = host.say_started(2)
    WorkerHost.objects.update(started_at=timezone.now() + timedelta(seconds=5), workers=7)
    with pytest.raises(host.NameTakenError, match="calls itself"):
        Supervisor()._beat(since)
    host.say_gone(since)
    assert WorkerHost.objects.get().workers == 7


def test_a_cluster_does_not_start_beside_one_of_the_same_name(alice: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its processes have the same ids, as they have in another container: only its heartbeat tells that it lives."""
    monkeypatch.setattr(host, "_SILENT", timedelta(seconds=60))
    host.say_started(2)
    since = WorkerHost.objects.get().started_at
    ended = threading.Event()

    def live() -> None:
        try:
            while not ended.wait(0.05):
                WorkerHost.objects.update(heartbeat_at=timezone.now() + timedelta(minutes=1))
        finally:
            connection.close()

    other = threading.Thread(target=live)
    WorkerHost.objects.update(heartbeat_at=timezone.now() + timedelta(minutes=1))
    other.start()
    try:
        with pytest.raises(host.NameTakenError, match="API_V2_HOST_NAME"):
            Supervisor().run()
    finally:
        ended.set()
        other.join()
    assert WorkerHost.objects.get().started_at == since


def test_a_name_whose_cluster_was_killed_is_free_soon(alice: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_SILENT", timedelta(seconds=0.4))
    host.say_started(2)
    host.take_name(threading.Event())
    host.say_started(3)
    assert WorkerHost.objects.get().workers == 3


def test_a_row_from_the_future_is_not_that_of_one_who_lives(alice: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock was put back since its cluster was killed."""
    monkeypatch.setattr(host, "_SILENT", timedelta(seconds=0.4))
    host.say_started(2)
    WorkerHost.objects.update(heartbeat_at=timezone.now() + timedelta(hours=1))
    host.take_name(threading.Event())


def test_a_start_that_is_called_off_takes_no_name(alice: Tenant) -> None:
    host.say_started(2)
    since = WorkerHost.objects.get().started_at
    keeper = Supervisor()
    keeper.stop.set()
    keeper.run()
    assert WorkerHost.objects.get().started_at == since


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
    while demand.now().wanted:
        lifecycle.claim(host.name(), os.getpid(), 100)
        submitted(alice)
    assert not progress.has_stalled(0)
    assert not progress.has_stalled(2 * PATIENCE)
