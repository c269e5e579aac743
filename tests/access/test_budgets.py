"""What is used and reserved never passes a budget, and a caller is told what is left."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from processing.access import budget_changes, budgets, keys, usage
from processing.access.audit import Actor
from processing.access.budgets import BudgetExhausted, BudgetReserved, Holder, Need, Standing
from processing.access.models import AuditEntry, Budget, Reservation, UsageOfDay
from processing.access.usage import Account, Spent
from processing.errors import InvalidInput
from tests.conftest import Tenant

MINUTE = timedelta(minutes=1)
SOMEBODY = Actor("command")


def account(tenant: Tenant) -> Account:
    return Account(tenant.user.pk, tenant.key.pk)


def need(tokens: int = 0, money: str | None = "0") -> Need:
    return Need("clever", tokens, None if money is None else Decimal(money))


def only(tenant: Tenant) -> Standing:
    [found] = budgets.standings(account(tenant))
    return found


def reserve(tenant: Tenant, task: int, wanted: Need) -> bool:
    return budgets.reserve(account(tenant), Holder(task, 1), wanted, MINUTE)


def spend(tenant: Tenant, tokens: int = 0, cost: str = "0") -> None:
    with transaction.atomic():
        usage.record(account(tenant), [Spent("clever", tokens, 0, Decimal(cost))])


def test_it_works(alice: Tenant) -> None:
    Budget.objects.create(user=alice.user, period="day", tokens=100)
    spend(alice, 30)
    assert reserve(alice, 1, need(50))
    found = only(alice)
    assert (found.used_tokens, found.reserved_tokens, found.left_tokens, found.left_money) == (30, 50, 20, None)
    with pytest.raises(BudgetReserved):
        reserve(alice, 2, need(21))
    with pytest.raises(BudgetExhausted) as caught:
        reserve(alice, 2, need(71))
    assert caught.value.code == "budget_exhausted"
    assert 0 < (caught.value.retry_after or 0) <= 86_402
    assert reserve(alice, 2, need(20))
    assert Reservation.objects.count() == 2


def test_without_a_budget_nothing_is_reserved_and_one_look_is_taken(
    alice: Tenant, mallory: Tenant, django_assert_num_queries: Any
) -> None:
    Budget.objects.create(user=mallory.user, period="day", tokens=0)
    Budget.objects.create(user=alice.user, period="day", tokens=0, active=False)
    with django_assert_num_queries(1):
        assert budgets.allowance(account(alice)).standings == ()
    with django_assert_num_queries(1):
        assert not reserve(alice, 1, need(10**9, None))
    assert not Reservation.objects.exists()


def test_money_is_exact_to_the_hundred_millionth(alice: Tenant) -> None:
    Budget.objects.create(api_key=alice.key, period="month", money=Decimal("0.00000010"))
    for _ in range(9):
        spend(alice, cost="0.00000001")
    assert reserve(alice, 1, need(money="0.00000001"))
    with pytest.raises(BudgetReserved):
        reserve(alice, 2, need(money="0.00000001"))
    assert only(alice).used_money == Decimal("0.00000009")
    assert only(alice).left_money == 0


def test_what_costs_nothing_is_not_bound_by_money(alice: Tenant) -> None:
    Budget.objects.create(user=alice.user, period="day", money=Decimal(0))
    assert reserve(alice, 1, need(10**9))
    with pytest.raises(BudgetExhausted):
        reserve(alice, 2, need(money="0.01"))


def test_a_model_without_a_price_is_refused_under_a_budget_of_money_alone(alice: Tenant) -> None:
    budget = Budget.objects.create(user=alice.user, period="day", money=Decimal(5))
    with pytest.raises(InvalidInput) as caught:
        reserve(alice, 1, need(1, money=None))
    assert caught.value.code == "model_without_price"
    Budget.objects.filter(pk=budget.pk).update(money=None, tokens=5)
    assert reserve(alice, 1, need(1, money=None))


def test_who_reserves_again_reserves_in_place_of_it(alice: Tenant) -> None:
    Budget.objects.create(user=alice.user, period="day", tokens=100)
    assert reserve(alice, 1, need(90))
    assert reserve(alice, 1, need(100))
    assert only(alice).reserved_tokens == 100
    with pytest.raises(BudgetExhausted):
        reserve(alice, 1, need(101))
    assert only(alice).reserved_tokens == 100, "what was refused changes nothing"


def test_what_was_left_behind_counts_no_more(alice: Tenant) -> None:
    Budget.objects.create(user=alice.user, period="day", tokens=100)
    reserve(alice, 1, need(100))
    Reservation.objects.update(until=timezone.now() - timedelta(seconds=1))
    assert only(alice).reserved_tokens == 0
    assert reserve(alice, 2, need(100))
    assert list(Reservation.objects.values_list("task", flat=True)) == [2]


def test_a_keys_budget_is_not_touched_by_another_key_and_a_users_by_all(alice: Tenant, mallory: Tenant) -> None:
    other = Tenant(alice.user, *keys.mint(alice.user, "other"))
    session = Account(alice.user.pk, None)
    Budget.objects.create(api_key=alice.key, period="day", tokens=100)
    Budget.objects.create(user=alice.user, period="day", tokens=150)
    spend(alice, 60)
    spend(other, 40)
    spend(mallory, 1000)
    with transaction.atomic():
        usage.record(session, [Spent("clever", 5)])
    assert [each.left_tokens for each in budgets.standings(account(alice))] == [40, 45]
    assert [each.left_tokens for each in budgets.standings(session)] == [45]
    assert reserve(other, 1, need(30))
    with pytest.raises(BudgetReserved):
        reserve(alice, 2, need(20))
    assert reserve(alice, 2, need(15))


@pytest.mark.parametrize(("period", "left"), [("day", 100), ("month", 40)])
def test_a_new_day_begins_anew_and_a_month_goes_on(alice: Tenant, period: str, left: int) -> None:
    Budget.objects.create(user=alice.user, period=period, tokens=100)
    spend(alice, 60)
    today = usage.today()
    other = today - timedelta(days=1) if today.day > 1 else today + timedelta(days=1)  # within this month
    UsageOfDay.objects.update(day=other)
    if other > today and period == "day":
        left = 40  # A day that is still to come belongs to no period that has passed.
    assert only(alice).left_tokens == left


def test_the_last_month_is_over(alice: Tenant) -> None:
    Budget.objects.create(user=alice.user, period="month", tokens=100)
    spend(alice, 60)
    UsageOfDay.objects.update(day=usage.today().replace(day=1) - timedelta(days=1))
    assert only(alice).left_tokens == 100


@pytest.mark.parametrize(
    ("period", "today", "resets"),
    [
        ("day", datetime(2026, 12, 31, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
        ("month", datetime(2026, 12, 31, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
        ("month", datetime(2028, 1, 1, tzinfo=UTC), datetime(2028, 2, 1, tzinfo=UTC)),
        ("day", datetime(2028, 2, 28, tzinfo=UTC), datetime(2028, 2, 29, tzinfo=UTC)),
    ],
)
def test_a_period_ends_at_midnight(period: str, today: datetime, resets: datetime) -> None:
    found = Standing(Budget(period=period), 0, Decimal(0), 0, Decimal(0), today.date())
    assert found.resets_at == resets


def test_a_budget_is_one_of_a_key_or_a_user_and_bounds_something(alice: Tenant) -> None:
    both, nobody = {"user": alice.user, "api_key": alice.key}, {}
    for whose, bounds in ((both, {"tokens": 1}), (nobody, {"tokens": 1}), ({"user": alice.user}, {})):
        budget = Budget(**whose, period="day", **bounds)
        with pytest.raises(ValidationError):
            budget_changes.create(SOMEBODY, budget)
        with pytest.raises(IntegrityError), transaction.atomic():
            budget.save()
    assert not AuditEntry.objects.exists()


def test_one_for_each_period(alice: Tenant) -> None:
    for period in ("day", "month"):
        budget_changes.create(SOMEBODY, Budget(user=alice.user, period=period, tokens=1))
    with pytest.raises(ValidationError):
        budget_changes.create(SOMEBODY, Budget(user=alice.user, period="day", money=1))


def test_every_change_is_on_the_audit_trail(alice: Tenant) -> None:
    budget = Budget(api_key=alice.key, period="day", tokens=10)
    budget_changes.create(SOMEBODY, budget)
    budget.tokens, budget.money = None, Decimal("2.50")
    budget_changes.change(SOMEBODY, budget)
    budget_changes.change(SOMEBODY, budget)
    budget_changes.delete(SOMEBODY, budget)
    entries = list(AuditEntry.objects.order_by("id").values_list("action", "target_kind", "changes"))
    assert [(action, kind) for action, kind, _ in entries] == [
        ("created", "budget"), ("changed", "budget"), ("deleted", "budget"),
    ]  # fmt: skip
    assert entries[1][2] == {"tokens": [10, None], "money": [None, "2.5"]}
    assert alice.secret not in str(entries)
