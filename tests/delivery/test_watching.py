"""A watcher sees what happens in a task, in order and once, from wherever it begins."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from processing.delivery.events import Event
from processing.delivery.watching import Watch, Watcher
from processing.tasks.journal import keeping
from processing.tasks.journal.contract import MOST, Entry, number
from processing.tasks.models import Status, Task
from tests.conftest import Tenant

pytestmark = pytest.mark.django_db(transaction=True)
PATIENCE = 30.0  # seconds


class Seat:
    """Where a watcher sits in a test: what it has seen."""

    def __init__(self, watch: Watch, task: Task, after: int | None = None) -> None:
        self.woken = threading.Event()
        self.watcher: Watcher = watch.join(task.seq, after, self.woken.set)
        self.seen: list[Event] = []

    def until(self, count: int) -> list[tuple[str, Any]]:
        while len(self.seen) < count:
            self.look()
        return self.told

    def until_over(self) -> list[tuple[str, Any]]:
        while not self.watcher.is_over:
            self.look()
        self.seen += self.watcher.take()
        return self.told

    def look(self) -> None:
        self.woken.clear()
        new = self.watcher.take()
        self.seen += new
        if not new and not self.watcher.is_over:
            assert self.woken.wait(PATIENCE)

    @property
    def told(self) -> list[tuple[str, Any]]:
        fields = [dict(line.split(": ", 1) for line in each.frame.decode().strip().split("\n")) for each in self.seen]
        return [(each["event"], json.loads(each["data"])) for each in fields]


def body(seq: int) -> str | None:
    task = Task.objects.filter(seq=seq, status__in=("completed", "failed", "cancelled")).first()
    return None if task is None else json.dumps({"status": task.status})


@pytest.fixture
def watch(transactional_db: None) -> Any:
    watch = Watch(body)
    yield watch
    watch.forget()


@pytest.fixture
def task(alice: Tenant) -> Task:
    return Task.objects.create(owner=alice.user, filename="a.txt", file_size=1, file_type="text/plain")


def move(task: Task, status: Status, token: int) -> None:
    Task.objects.filter(seq=task.seq).update(status=status, lease_token=token)


def say(task: Task, token: int, *texts: str, count: int = 1) -> None:
    keeping.store().append(
        [
            Entry(task.seq, number(token, count + at), "delta", json.dumps({"text": text}))
            for at, text in enumerate(texts)
        ]
    )


def test_it_works(watch: Watch, task: Task) -> None:
    seat = Seat(watch, task)
    assert seat.until(1) == [("status", {"task_id": str(task.id), "status": "queued", "attempts": 0})]
    move(task, Status.PROCESSING, 1)
    seat.until(2)
    say(task, 1, "Forty", "-two.")
    seat.until(4)
    move(task, Status.COMPLETED, 1)
    assert [name for name, _ in seat.until_over()] == ["status", "status", "delta", "delta", "done"]
    assert seat.told[-1][1] == {"status": "completed"}
    assert [each.number for each in seat.seen] == [number(*at) for at in ((0, 0), (1, 0), (1, 1), (1, 2), (1, MOST))]


def test_who_comes_late_sees_the_attempt_that_runs_from_its_beginning(watch: Watch, task: Task) -> None:
    say(task, 1, "an earlier attempt")
    move(task, Status.PROCESSING, 3)
    say(task, 3, "Forty", "-two.")
    seat = Seat(watch, task)
    assert [name for name, _ in seat.until(3)] == ["status", "delta", "delta"]
    other = Seat(watch, task)
    other.until(3)
    assert other.seen == seat.seen


@pytest.mark.parametrize("seen", range(4))
def test_who_comes_back_goes_on_after_what_they_have_seen(watch: Watch, task: Task, seen: int) -> None:
    move(task, Status.COMPLETED, 1)
    say(task, 1, "Forty", "-two.")
    whole = [number(1, 0), number(1, 1), number(1, 2), number(1, MOST)]
    seat = Seat(watch, task, after=whole[seen] - 1)
    seat.until_over()
    # That work began is told by its row while it is at work, and by the worker, which is silent here.
    assert [each.number for each in seat.seen] == list(whole[max(seen, 1) :])


def test_who_comes_back_in_a_later_attempt_is_told_what_they_missed(watch: Watch, task: Task) -> None:
    say(task, 1, "Forty", "-one.")
    move(task, Status.PROCESSING, 3)
    say(task, 3, "Forty-two.")
    seat = Seat(watch, task, after=number(1, 1))
    seat.until(3)
    assert [each.number for each in seat.seen] == [number(1, 2), number(3, 0), number(3, 1)]


def test_a_worker_that_has_lost_its_task_is_not_heard(watch: Watch, task: Task) -> None:
    move(task, Status.PROCESSING, 3)
    seat = Seat(watch, task)
    seat.until(1)
    say(task, 1, "from the dead")
    say(task, 3, "Forty-two.")
    assert seat.until(2)[1:] == [("delta", {"text": "Forty-two."})]
    move(task, Status.COMPLETED, 3)
    assert [name for name, _ in seat.until_over()] == ["status", "delta", "done"]


def test_a_task_that_is_put_back_in_line_after_its_end_is_watched_anew(watch: Watch, task: Task) -> None:
    move(task, Status.FAILED, 1)
    first = Seat(watch, task)
    assert first.until_over() == [("done", {"status": "failed"})]
    move(task, Status.QUEUED, 2)
    second = Seat(watch, task, after=first.seen[-1].number)
    assert second.until(1)[0][1]["status"] == "queued"
    assert second.seen[0].number == number(2, 0)


def test_an_erased_task_ends_its_streams(watch: Watch, task: Task) -> None:
    say(task, 0, "Forty-two.")
    seat = Seat(watch, task)
    seat.until(2)
    Task.objects.all().delete()
    assert len(seat.until_over()) == 2


def test_waiting_ends_with_the_task_or_with_the_time(watch: Watch, task: Task) -> None:
    assert not watch.until_end(task.seq, 0.01)
    move(task, Status.COMPLETED, 1)
    assert watch.until_end(task.seq, PATIENCE)


def test_all_watchers_cost_one_look(watch: Watch, task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[int, int]] = []
    read = keeping.store().read
    monkeypatch.setattr(type(keeping.store()), "read", lambda _, after: asked.append(dict(after)) or read(after))
    seats = [Seat(watch, task) for _ in range(50)]
    for seat in seats:
        seat.until(1)
    assert all(len(each) == 1 for each in asked)
    assert len({id(seat.seen[0]) for seat in seats}) == 1


def test_an_outage_is_waited_out(watch: Watch, task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = iter([RuntimeError("away")])
    read = keeping.store().read

    def failing(_: Any, after: dict[int, int]) -> list[Entry]:
        for failure in failures:
            raise failure
        return read(after)

    monkeypatch.setattr(type(keeping.store()), "read", failing)
    monkeypatch.setattr("processing.delivery.watching._AFTER_FAILURE", 0.01)
    assert Seat(watch, task).until(1)


def test_whoever_leaves_is_forgotten(watch: Watch, task: Task) -> None:
    seat = Seat(watch, task)
    seat.until(1)
    seat.watcher.leave()
    seat.watcher.leave()
    assert not watch._stories
