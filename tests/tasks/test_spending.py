"""However a claim ends, what it spent is on the account once, and nothing stays reserved."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection, connections
from django.utils import timezone

from processing.access import budgets
from processing.access.budgets import BudgetExhausted, BudgetReserved, Need
from processing.access.models import Budget, Reservation, UsageOfDay
from processing.access.usage import Spent
from processing.errors import DocumentFailed, ModelUnavailable, ProcessingError
from processing.tasks import leases, lifecycle, losses, spending
from processing.tasks.leases import Lease
from processing.tasks.lifecycle import Claim
from processing.tasks.models import FINAL, Status, Task
from tests.conftest import Tenant
from tests.tasks.test_claim_race import at_once
from tests.tasks.test_lifecycle import HOST, claimed, expire, outcome, submitted

pytestmark = pytest.mark.django_db(transaction=True)

MINUTE = timedelta(minutes=1)
SPENT = (Spent("local", 5, 2, Decimal("0.01")),)
COPIED = ("owner", "api_key", "document", "prompt", "model", "filename", "file_size", "file_type")
NEED = Need("local", 100, Decimal("0.10"))


@pytest.fixture
def budget(alice: Tenant) -> Budget:
    return Budget.objects.create(user=alice.user, period="day", tokens=1000)


@pytest.fixture
def claim(alice: Tenant, budget: Budget) -> Claim:
    submitted(alice)
    claim = claimed()
    assert spending.reserve(claim.task, claim.token, NEED, MINUTE)
    return claim


def used() -> tuple[int, int, int]:
    """Tasks, failed, and tokens."""
    rows = UsageOfDay.objects.values_list("tasks", "failed", "input_tokens", "output_tokens")
    return tuple(sum(column) for column in zip(*((t, f, i + o) for t, f, i, o in rows), strict=True)) or (0, 0, 0)


def reserved(tenant: Tenant) -> int:
    return sum(each.reserved_tokens for each in budgets.standings(spending.account(Task(owner=tenant.user))))


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (lambda claim: lifecycle.complete(claim, outcome(), SPENT), (1, 0, 7)),
        (lambda claim: lifecycle.complete(claim, outcome()), (1, 0, 2)),
        (lambda claim: lifecycle.complete(claim, outcome(), ()), (1, 0, 0)),
        (lambda claim: lifecycle.fail(claim, DocumentFailed("Broken.", "broken"), SPENT), (1, 1, 7)),
        (lambda claim: lifecycle.fail(claim, ModelUnavailable("Busy.", "busy"), SPENT), (0, 0, 7)),
        (lambda claim: lifecycle.release(claim, spent=SPENT), (0, 0, 7)),
        (lambda claim: lifecycle.put_off(claim, delay=1), (0, 0, 0)),
        (lambda claim: losses.release_host(HOST, {1}), (0, 0, 0)),
        (lambda claim: leases.end([Lease(claim.task.seq, claim.token, 1)]), (0, 0, 0)),
    ],
)
def test_it_works(alice: Tenant, claim: Claim, end: Callable[[Claim], object], expected: tuple[int, int, int]) -> None:
    assert reserved(alice) == 100
    end(claim)
    assert used() == expected
    assert not Reservation.objects.exists()


def test_a_task_that_is_put_off_was_not_tried(alice: Tenant, claim: Claim) -> None:
    assert lifecycle.put_off(claim, delay=60)
    task = Task.objects.get()
    assert (task.status, task.attempts) == (Status.QUEUED, 0)
    assert task.available_at > timezone.now() + timedelta(seconds=30)
    assert not lifecycle.complete(claim, outcome())


def test_a_cancelled_task_is_counted_and_its_worker_has_a_moment_to_tell_what_it_spent(
    alice: Tenant, claim: Claim
) -> None:
    lifecycle.cancel(alice.user.pk, claim.id)
    assert used() == (1, 0, 0)
    assert reserved(alice) == 100, "the request to the model is still under way"
    assert Reservation.objects.get().until < timezone.now() + spending.STOPPING + timedelta(seconds=5)
    assert not lifecycle.complete(claim, outcome(), SPENT)
    spending.settle_late(claim.task, claim.token, SPENT)
    assert used() == (1, 0, 7)
    assert not Reservation.objects.exists()


def test_a_lease_that_ran_out_leaves_its_holder_a_moment_too(alice: Tenant, claim: Claim) -> None:
    expire(claim.task)
    assert losses.reap() == 1
    assert reserved(alice) == 100
    again = claimed()
    assert spending.reserve(again.task, again.token, NEED, MINUTE)
    assert reserved(alice) == 200, "both may be asking a model"
    spending.settle_late(claim.task, claim.token, SPENT)
    assert lifecycle.complete(again, outcome(), SPENT)
    assert (used(), reserved(alice)) == ((1, 0, 14), 0)


def test_what_an_earlier_claim_may_still_spend_stays_reserved_when_a_later_one_dies(
    alice: Tenant, claim: Claim
) -> None:
    expire(claim.task)
    losses.reap()
    again = claimed()
    spending.reserve(again.task, again.token, NEED, MINUTE)
    leases.end([Lease(again.task.seq, again.token, 1)])
    assert list(Reservation.objects.values_list("token", flat=True)) == [claim.token]


def test_a_task_whose_workers_died_is_counted_as_failed(alice: Tenant, claim: Claim) -> None:
    Task.objects.update(max_attempts=1)
    leases.end([Lease(claim.task.seq, claim.token, 1)])
    assert Task.objects.get().error_code == "attempts_exhausted"
    assert (used(), reserved(alice)) == ((1, 1, 0), 0)


def test_waiting_tasks_that_end_are_counted(alice: Tenant) -> None:
    first, second = submitted(alice), submitted(alice)
    losses.end_without_document([first.seq])
    lifecycle.cancel(alice.user.pk, second.id)
    assert used() == (2, 1, 0)


def test_an_end_that_was_written_unheard_is_not_counted_twice(alice: Tenant, claim: Claim) -> None:
    assert lifecycle.complete(claim, outcome(), SPENT)
    spending.settle_late(claim.task, claim.token, SPENT)
    assert used() == (1, 0, 7)


def test_a_claim_that_is_lost_reserves_nothing(alice: Tenant, claim: Claim) -> None:
    Reservation.objects.all().delete()
    lifecycle.cancel(alice.user.pk, claim.id)
    with pytest.raises(ProcessingError) as caught:
        spending.reserve(claim.task, claim.token, NEED, MINUTE)
    assert caught.value.code == "lease_lost"
    assert not Reservation.objects.exists()


def work_through(worker: int, spends: int) -> None:
    """Claim tasks until none is left, as workers do, each of which may take 100 tokens and takes so many."""
    while Task.objects.exclude(status__in=FINAL).exists():
        claim = lifecycle.claim(f"host-{worker % 2}", worker, 1000)
        if claim is None:
            time.sleep(0.02)
            continue
        try:
            spending.reserve(claim.task, claim.token, NEED, MINUTE)
        except BudgetReserved:
            lifecycle.put_off(claim, delay=0.2)
            continue
        except BudgetExhausted as error:
            lifecycle.fail(claim, error)
            continue
        [standing] = budgets.standings(spending.account(claim.task))
        assert standing.used_tokens + standing.reserved_tokens <= 1000
        if worker % 4 == 3 and claim.task.attempts == 1:
            leases.end([Lease(claim.task.seq, claim.token, worker)])  # It died, and spent nothing.
        else:
            lifecycle.complete(claim, outcome(), [Spent("local", spends, 0)])


def in_threads(work: Callable[[int], None]) -> None:
    failures: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            work(number)
        except Exception as error:  # noqa: BLE001  (asserted below)
            failures.append(error)

    at_once(guarded)
    assert not failures, failures


def in_processes(work: Callable[[int], None]) -> None:
    connections.close_all()
    children = []
    for number in range(4):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                work(number)
                code = 0
            except Exception:  # noqa: BLE001  (told to whoever waits)
                traceback.print_exc()
            finally:
                connection.close()
                os._exit(code)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4


@pytest.mark.parametrize(
    ("at_the_same_time", "count", "spends", "least"), [(in_processes, 100, 100, 1000), (in_threads, 40, 37, 901)]
)
def test_a_hundred_tasks_at_once_do_not_pass_a_budget_for_ten(
    alice: Tenant,
    budget: Budget,
    at_the_same_time: Callable[[Callable[[int], None]], None],
    count: int,
    spends: int,
    least: int,
) -> None:
    first = submitted(alice)
    more = [
        Task(**{name: getattr(first, name) for name in COPIED}, available_at=first.available_at)
        for _ in range(count - 1)
    ]
    Task.objects.bulk_create(more)
    at_the_same_time(lambda number: work_through(number, spends))
    tasks = Task.objects.values_list("status", "error_code")
    done = [each for each in tasks if each == (Status.COMPLETED, "")]
    refused = [each for each in tasks if each == (Status.FAILED, "budget_exhausted")]
    assert len(done) + len(refused) == count
    total = used()
    assert total == (count, len(refused), len(done) * spends)
    assert least <= total[2] <= 1000
    assert not Reservation.objects.exists()
