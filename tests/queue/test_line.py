"""A position is exact near the head of the line, and right, cheap and never rising far behind it."""

from __future__ import annotations

import random

import pytest
from django.db.models import Q

from processing.queue import line
from processing.tasks.models import Status, Task
from tests.conftest import Tenant

pytestmark = pytest.mark.django_db


def fill(tenant: Tenant, count: int, **columns: object) -> list[int]:
    rows = [
        Task(owner=tenant.user, prompt="p", model="local", filename="a", file_size=1, file_type="t", **columns)
        for _ in range(count)
    ]
    Task.objects.bulk_create(rows, batch_size=1000)
    return sorted(Task.objects.order_by("-seq").values_list("seq", flat=True)[:count])


def truly_ahead(seq: int, priority: int = 0) -> int:
    before = Q(priority__gt=priority) | Q(priority=priority, seq__lt=seq)
    return Task.objects.filter(before, status=Status.QUEUED).count()


def test_it_works(alice: Tenant) -> None:
    seqs = fill(alice, 5)
    assert [line.ahead_of(seq, 0) for seq in seqs] == [0, 1, 2, 3, 4]


def test_it_is_exact_at_every_depth(alice: Tenant) -> None:
    seqs = fill(alice, 4500)
    Task.objects.filter(seq__in=random.Random(7).sample(seqs, 900)).update(status=Status.CANCELLED)
    for seq in (seqs[0], seqs[999], seqs[1000], seqs[1001], seqs[2000], seqs[3333], seqs[-1]):
        assert line.ahead_of(seq, 0) == truly_ahead(seq)


def test_it_follows_the_head_and_sees_the_new(alice: Tenant) -> None:
    seqs = fill(alice, 5000)
    assert line.ahead_of(seqs[-1], 0) == 4999
    Task.objects.filter(seq__in=seqs[:1700]).update(status=Status.COMPLETED)
    assert line.ahead_of(seqs[-1], 0) == 3299
    Task.objects.filter(seq=seqs[3]).update(status=Status.QUEUED)  # given back to the queue
    assert line.ahead_of(seqs[-1], 0) == 3300
    newest = fill(alice, 1500)[-1]
    assert line.ahead_of(newest, 0) == truly_ahead(newest)


def test_cancelling_in_the_middle_shows_within_seconds_and_never_raises_a_position(alice: Tenant) -> None:
    seqs = fill(alice, 6000)
    before = line.ahead_of(seqs[-1], 0)
    Task.objects.filter(seq__in=seqs[2500:3500]).update(status=Status.CANCELLED)
    assert truly_ahead(seqs[-1]) <= line.ahead_of(seqs[-1], 0) <= before
    line.forget()
    assert line.ahead_of(seqs[-1], 0) == truly_ahead(seqs[-1])


def test_higher_priorities_come_first(alice: Tenant) -> None:
    ordinary = fill(alice, 1200)
    urgent = fill(alice, 1100, priority=5)
    for seq, priority in ((ordinary[0], 0), (ordinary[-1], 0), (urgent[0], 5), (urgent[-1], 5)):
        assert line.ahead_of(seq, priority) == truly_ahead(seq, priority)


def test_those_that_do_not_wait_are_not_counted(alice: Tenant) -> None:
    fill(alice, 3, status=Status.PROCESSING)
    fill(alice, 3, status=Status.COMPLETED)
    assert line.ahead_of(fill(alice, 1)[0], 0) == 0
