"""The account of what was spent adds up, and outlives tasks and keys."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from django.contrib.auth.models import User

from processing.access import usage
from processing.access.models import ApiKey, UsageOfDay
from processing.access.usage import Account, Spent
from tests.conftest import Tenant

pytestmark = pytest.mark.django_db


def test_it_works(alice: Tenant) -> None:
    payer = Account(alice.user.pk, alice.key.pk)
    usage.record(payer, [Spent("big", 10, 1, Decimal("0.5")), Spent("small", 3)], ended="big")
    usage.record(payer, [Spent("big", 5, 2, Decimal("0.25"))], ended="big", failed=True)
    usage.record(payer, [Spent("big", 1)])
    rows = UsageOfDay.objects.order_by("model").values_list(
        "day", "owner", "api_key", "model", "tasks", "failed", "input_tokens", "output_tokens", "cost"
    )
    today, own = usage.today(), (alice.user.pk, alice.key.pk)
    assert list(rows) == [
        (today, *own, "big", 2, 1, 16, 3, Decimal("0.75")),
        (today, *own, "small", 0, 0, 3, 0, Decimal(0)),
    ]


def test_sessions_and_keys_have_rows_of_their_own_and_one_list(alice: Tenant) -> None:
    for key in (None, alice.key.pk, None):
        usage.record(Account(alice.user.pk, key), [Spent("m", 2, 1)], ended="m")
    assert sorted(UsageOfDay.objects.values_list("tasks", flat=True)) == [1, 2]
    [row] = usage.by_day(alice.user.pk, usage.today())
    assert (row["model"], row["tasks"], row["input_tokens"]) == ("m", 3, 6)
    assert usage.by_day(alice.user.pk, date(9999, 1, 1)) == []


def test_a_key_that_is_deleted_leaves_its_use_behind(alice: Tenant) -> None:
    for key in (None, alice.key.pk):
        usage.record(Account(alice.user.pk, key), [Spent("m", 1)])
    gone = alice.key.pk
    ApiKey.objects.get(pk=gone).delete()
    usage.record(Account(alice.user.pk, gone), [Spent("m", 1)])
    assert sorted(UsageOfDay.objects.values_list("api_key", "input_tokens")) == [(None, 1), (None, 2)]


def test_a_user_who_is_deleted_takes_it_along(alice: Tenant) -> None:
    payer = Account(alice.user.pk, None)
    usage.record(payer, [Spent("m", 1)])
    User.objects.get(pk=payer.owner_id).delete()
    usage.record(payer, [Spent("m", 1)], ended="m")
    assert not UsageOfDay.objects.exists()
