"""Budgets are set in the admin, and each list shows what is left."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from processing.access import usage
from processing.access.models import ApiKey, AuditEntry, Budget
from processing.access.usage import Account, Spent

LIST = "/admin/processing/budget/"


def add(client: Client, **fields: Any) -> Any:
    form = {"user": "", "api_key": "", "period": "day", "tokens": "", "money": "", "active": "on", **fields}
    return client.post(LIST + "add/", form, follow=True)


def test_it_works(as_root: Client, owner: User) -> None:
    add(as_root, user=owner.pk, tokens="1000")
    usage.record(Account(owner.pk, None), [Spent("m", 250)])
    page = as_root.get(LIST).content.decode()
    assert "250 of 1,000 tokens" in page
    assert "750 of 1,000 tokens" in page
    budget = Budget.objects.get()
    assert "750 of 1,000" in as_root.get(f"{LIST}{budget.pk}/change/").content.decode()
    form = {"period": "month", "tokens": "", "money": "2.5", "active": "on"}
    as_root.post(f"{LIST}{budget.pk}/change/", form)
    budget.refresh_from_db()
    assert (budget.user, budget.period, budget.tokens, budget.money) == (owner, "month", None, Decimal("2.5"))
    as_root.post(f"{LIST}{budget.pk}/delete/", {"post": "yes"})
    told = AuditEntry.objects.order_by("id").values_list("action", "door", "actor_name", "target_kind")
    assert list(told) == [(verb, "admin", "root", "budget") for verb in ("created", "changed", "deleted")]


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"tokens": "1"}, "Name an API key or a user"),
        ({"user": "owner", "api_key": "key", "tokens": "1"}, "and not both"),
        ({"user": "owner"}, "Bound tokens, money, or both"),
        ({"user": "owner", "tokens": "-1"}, "greater than or equal to 0"),
    ],
)
def test_a_budget_that_bounds_nothing_is_not_made(
    as_root: Client, owner: User, key: ApiKey, fields: dict[str, str], complaint: str
) -> None:
    known = {"owner": owner.pk, "key": key.pk}
    page = add(as_root, **{name: known.get(value, value) for name, value in fields.items()}).content.decode()
    assert complaint in page
    assert not Budget.objects.exists()


def test_the_list_is_filtered_by_what_is_left(as_root: Client, owner: User, key: ApiKey) -> None:
    used_up = Budget.objects.create(user=owner, period="day", tokens=10)
    fine = Budget.objects.create(api_key=key, period="day", money=1)
    usage.record(Account(owner.pk, None), [Spent("m", 10)])
    for wanted, found in (("exhausted", used_up), ("some", fine)):
        assert list(as_root.get(LIST, {"left": wanted}).context["cl"].result_list) == [found]
    assert list(as_root.get(LIST, {"q": "laptop"}).context["cl"].result_list) == [fine]


def test_several_are_deleted_with_an_entry_for_each(as_root: Client, owner: User) -> None:
    rows = [Budget.objects.create(user=owner, period=period, tokens=10) for period in ("day", "month")]
    form = {"action": "delete_selected", "_selected_action": [row.pk for row in rows], "post": "yes"}
    as_root.post(LIST, form)
    assert not Budget.objects.exists()
    assert AuditEntry.objects.filter(action="deleted", target_kind="budget").count() == 2


def test_staff_who_may_only_look_change_nothing(staff: Callable[..., Client], owner: User) -> None:
    budget = Budget.objects.create(user=owner, period="day", tokens=10)
    clerk = staff("processing.view_budget")
    assert clerk.get(LIST).status_code == 200
    assert clerk.post(f"{LIST}{budget.pk}/change/", {"tokens": "99"}).status_code == 403
    assert add(clerk, user=owner.pk, tokens="1").status_code == 403
