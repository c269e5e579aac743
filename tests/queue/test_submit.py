"""A caller is told where a task stands, by the hosts that are alive and the pace of those before it."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from processing.queue.models import WorkerHost
from processing.queue.submit import Place, place_of, position_of
from processing.tasks.models import Status, Task
from tests.conftest import Tenant
from tests.tasks.test_lifecycle import claimed, submitted


def host(name: str = "one", **columns: object) -> WorkerHost:
    given = {"pid": 1, "workers": 2, "max_concurrent": 2, "started_at": Now(), "heartbeat_at": Now(), **columns}
    return WorkerHost.objects.create(host=name, **given)


def position(task: Task) -> int | None:
    found = place_of(task.seq, task.priority).position
    assert found == position_of(task.seq, task.priority)
    return found


def test_it_works(alice: Tenant) -> None:
    host()
    tasks = [submitted(alice) for _ in range(4)]
    assert [position(task) for task in tasks] == [None, None, 3, 4]


def test_a_running_task_takes_a_slot(alice: Tenant) -> None:
    host()
    submitted(alice), submitted(alice)
    claimed(), claimed()
    assert position(submitted(alice)) == 1


def test_without_a_worker_alive_a_task_waits(alice: Tenant) -> None:
    host(heartbeat_at=Now() - timedelta(seconds=11))
    assert position(submitted(alice)) == 1


def test_slots_of_all_hosts_count_and_no_more_than_they_have_workers(alice: Tenant) -> None:
    host("one", workers=1, max_concurrent=5)
    host("two", workers=3, max_concurrent=1)
    assert [position(submitted(alice)) for _ in range(3)] == [None, None, 3]


def test_a_higher_priority_stands_before(alice: Tenant) -> None:
    waiting = submitted(alice)
    submitted(alice, priority=1)
    assert position(waiting) == 2


def test_the_estimate_is_what_recent_tasks_took(alice: Tenant) -> None:
    host(workers=1, max_concurrent=1)
    assert place_of(10**9, 0) == Place(None, None)
    now = timezone.now()
    for seconds in (2, 4):
        submitted(alice, status=Status.COMPLETED, started_at=now - timedelta(seconds=seconds), completed_at=now)
    long_ago = submitted(alice, status=Status.COMPLETED, started_at=now, completed_at=now)
    Task.objects.filter(pk=long_ago.pk).update(completed_at=F("created_at") - timedelta(days=2))
    first, second = submitted(alice), submitted(alice)
    assert place_of(first.seq, 0) == Place(None, 3.0)
    assert place_of(second.seq, 0) == Place(2, 9.0)
