"""A worker asks a model only as far as the budget bears it, and accounts for what it asked."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from modelsregistry import registry
from modelsregistry.errors import ModelOverloaded
from modelsregistry.models import RegisteredModel
from processing.access import budgets, usage
from processing.access.budgets import Holder, Need
from processing.access.models import Budget, Reservation, UsageOfDay
from processing.access.usage import Account, Spent
from processing.pipeline import evidence
from processing.queue import turns, worker
from processing.runtime.configuration import current
from processing.tasks import lifecycle
from processing.tasks.models import Status, Task
from tests import samples
from tests.conftest import Tenant
from tests.queue.conftest import Ask

pytestmark = pytest.mark.django_db(transaction=True)


def ended(task: Task) -> Task:
    worker.work()
    task.refresh_from_db()
    return task


def counted() -> tuple[int, int, int]:
    [row] = UsageOfDay.objects.values_list("tasks", "failed", "input_tokens", "output_tokens")
    return row[0], row[1], row[2] + row[3]


def test_it_works(ask: Ask, alice: Tenant) -> None:
    Budget.objects.create(api_key=alice.key, period="day", tokens=100_000, money=Decimal(1))
    task = ended(ask(max_tokens=500))
    assert task.status == Status.COMPLETED, task.error
    assert counted() == (1, 0, (task.input_tokens or 0) + (task.output_tokens or 0))
    assert task.cost == 0
    [standing] = budgets.standings(Account(alice.user.pk, alice.key.pk))
    assert (standing.used_tokens, standing.used_money, standing.reserved_tokens) == (counted()[2], 0, 0)


def test_a_stored_answer_takes_nothing(ask: Ask, alice: Tenant) -> None:
    data = samples.pdf()
    first = ended(ask(data, max_tokens=500))
    Budget.objects.create(user=alice.user, period="day", tokens=counted()[2])
    second = ended(ask(data, max_tokens=500))
    assert (second.status, second.cache, second.model_used) == (Status.COMPLETED, "model", first.model_used)
    assert counted() == (2, 0, first.input_tokens + first.output_tokens)


def test_what_can_never_fit_fails(ask: Ask, alice: Tenant) -> None:
    Budget.objects.create(user=alice.user, period="day", tokens=50)
    task = ended(ask(max_tokens=500))
    assert (task.status, task.error_code, task.error_type) == (Status.FAILED, "budget_exhausted", "rate_limit_error")
    assert "50 tokens are left" in task.error
    assert counted() == (1, 1, 0)


def test_what_others_hold_is_waited_for_without_an_attempt(ask: Ask, alice: Tenant) -> None:
    Budget.objects.create(user=alice.user, period="day", tokens=5000)
    payer = Account(alice.user.pk, None)
    budgets.reserve(payer, Holder(10**6, 1), Need("m", 4900, None), timedelta(minutes=1))
    task = ended(ask(max_tokens=500))
    assert (task.status, task.attempts, task.step) == (Status.QUEUED, 0, "waiting for its budget")
    assert task.available_at > task.created_at + timedelta(seconds=1)
    Reservation.objects.all().delete()
    Task.objects.update(available_at=task.created_at)
    assert ended(task).status == Status.COMPLETED, task.error


def test_a_model_without_prices_is_not_asked_under_a_budget_of_money(ask: Ask, alice: Tenant) -> None:
    Budget.objects.create(user=alice.user, period="month", money=Decimal(5))
    RegisteredModel.objects.filter(public_id=registry.BUILT_IN).update(output_price=None)
    assert ended(ask()).error_code == "model_without_price"
    assert not Reservation.objects.exists()


def test_an_answer_that_comes_to_nothing_is_paid_for(ask: Ask, alice: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("after the answer")

    monkeypatch.setattr(evidence, "citations", broken)
    task = ended(ask())
    assert task.error_code == "internal_error"
    tasks, failed, tokens = counted()
    assert (tasks, failed, tokens > 0) == (1, 1, True)


def test_a_task_that_was_cancelled_meanwhile_is_paid_for(
    ask: Ask, alice: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    Budget.objects.create(user=alice.user, period="day", tokens=100_000)
    task = ask()
    real = evidence.citations

    def cancelled(*args: Any) -> Any:
        lifecycle.cancel(alice.user.pk, task.id)
        return real(*args)

    monkeypatch.setattr(evidence, "citations", cancelled)
    assert ended(task).status == Status.CANCELLED
    tasks, failed, tokens = counted()
    assert (tasks, failed, tokens > 0) == (1, 0, True)
    assert not Reservation.objects.exists()


def test_each_attempt_is_counted_and_the_task_once(ask: Ask, alice: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    task = ask(skip_cache=True)
    with monkeypatch.context() as patch:

        def overloaded(*_: Any) -> Any:
            raise ModelOverloaded("Busy.", "busy", retry_after=0)

        patch.setattr(evidence, "citations", overloaded)
        assert ended(task).status == Status.QUEUED
    first = counted()
    assert (first[:2], first[2] > 0) == ((0, 0), True)
    Task.objects.update(available_at=task.created_at)
    assert ended(task).status == Status.COMPLETED
    assert counted() == (1, 0, 2 * first[2])


def test_the_more_wait_the_later_each_comes_up(ask: Ask) -> None:
    tasks = [ask() for _ in range(20)]
    alone = turns.comes_up_in(Task(owner_id=0), 1.0, current().parameters)
    among_many = turns.comes_up_in(tasks[0], 1.0, current().parameters)
    assert 1 < alone < 3
    assert 7 < among_many < 13


def test_usage_stays_when_tasks_go(ask: Ask, alice: Tenant) -> None:
    ended(ask())
    before = counted()
    Task.objects.all().delete()
    assert counted() == before
    with_more = Account(alice.user.pk, alice.key.pk)
    usage.record(with_more, [Spent("local", 1)])
    assert counted()[2] == before[2] + 1
