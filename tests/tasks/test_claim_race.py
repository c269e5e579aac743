"""Many claim at once: no task is taken twice, and no host gets more than its limit."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable

import pytest
from django.db import connection

from processing.errors import InvalidInput
from processing.tasks import lifecycle
from processing.tasks.lifecycle import Claim
from processing.tasks.models import Status, Task
from tests.conftest import Tenant
from tests.tasks.test_lifecycle import outcome, submitted

pytestmark = pytest.mark.django_db(transaction=True)

THREADS = 8


def at_once(work: Callable[[int], None]) -> None:
    """Run it in threads that begin together; each has a connection of its own."""
    gate = threading.Barrier(THREADS)

    def run(number: int) -> None:
        try:
            connection.ensure_connection()
            gate.wait()
            work(number)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_it_works(alice: Tenant) -> None:
    for _ in range(20):
        submitted(alice)
    claims: list[Claim] = []

    def work(number: int) -> None:
        while claim := lifecycle.claim(f"host-{number % 2}", number, limit=100):
            claims.append(claim)

    at_once(work)
    assert len(claims) == len({claim.id for claim in claims}) == 20
    assert {claim.task.attempts for claim in claims} == {1}


@pytest.mark.parametrize("_", range(5))
def test_the_limit_of_each_host_holds(alice: Tenant, _: int) -> None:
    for _ in range(20):
        submitted(alice)
    at_once(lambda number: lifecycle.claim(f"host-{number % 2}", number, limit=3))
    running = Counter(Task.objects.filter(status=Status.PROCESSING).values_list("host", flat=True))
    assert running == {"host-0": 3, "host-1": 3}


def test_of_a_cancel_and_an_answer_one_wins(alice: Tenant) -> None:
    tasks = [submitted(alice) for _ in range(10)]
    claims = [claim for _ in tasks if (claim := lifecycle.claim("here", 1, limit=100))]
    won: list[bool] = []

    def work(number: int) -> None:
        for claim in claims if number % 2 else reversed(claims):
            if number % 2:
                won.append(lifecycle.complete(claim, outcome()))
            else:
                with contextlib.suppress(InvalidInput):
                    lifecycle.cancel(alice.user.pk, claim.id)

    at_once(work)
    for task in Task.objects.all():
        assert (task.status == Status.COMPLETED) == (task.result is not None)
    assert sum(won) == Task.objects.filter(status=Status.COMPLETED).count()
    assert not Task.objects.exclude(status__in=(Status.COMPLETED, Status.CANCELLED)).exists()
