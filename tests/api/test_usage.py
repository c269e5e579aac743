"""Callers see their own use and budgets; one that is used up refuses work before anything of it is kept."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from modelsregistry.models import Provider, RegisteredModel
from processing.access import usage
from processing.access.models import Budget, UsageOfDay
from processing.access.usage import Account, Spent
from processing.tasks.models import Task
from tests.api.test_process import assert_problem, post, stored_files
from tests.conftest import Tenant

pytestmark = pytest.mark.django_db

URL = "/api/v2/usage"


def spend(tenant: Tenant, tokens: int = 0, cost: str = "0", model: str = "clever") -> None:
    usage.record(Account(tenant.user.pk, tenant.key.pk), [Spent(model, tokens, 0, Decimal(cost))], ended=model)


@pytest.fixture
def clever(db: None) -> RegisteredModel:
    provider = Provider.objects.create(name="Elsewhere", kind="openai_compatible", base_url="http://127.0.0.1:9")
    return RegisteredModel.objects.create(public_id="clever", name="Clever", provider=provider, upstream_id="clever")


def test_it_works(alice: Tenant, mallory: Tenant) -> None:
    Budget.objects.create(api_key=alice.key, period="day", tokens=100, money=Decimal("0.5"))
    Budget.objects.create(user=mallory.user, period="day", tokens=1)
    spend(alice, 30, "0.125")
    spend(mallory, 7)
    body = alice.client.get(URL).json()
    [budget] = body["budgets"]
    resets_at = budget.pop("resets_at")
    assert resets_at % 86_400 == 0
    assert budget == {
        "of": "key",
        "period": "day",
        "tokens": 100,
        "money": 0.5,
        "used": {"tokens": 30, "money": 0.125},
        "reserved": {"tokens": 0, "money": 0.0},
        "left": {"tokens": 70, "money": 0.375},
    }
    assert body["days"] == [
        {
            "day": usage.today().isoformat(),
            "model": "clever",
            "tasks": 1,
            "failed": 0,
            "input_tokens": 30,
            "output_tokens": 0,
            "cost": 0.125,
        }
    ]


def test_as_many_days_as_are_asked_for(alice: Tenant) -> None:
    spend(alice, 1)
    UsageOfDay.objects.update(day=usage.today() - timedelta(days=6))
    assert len(alice.client.get(URL).json()["days"]) == 1
    assert alice.client.get(URL, {"days": 6}).json()["days"] == []
    for wrong in ("0", "93", "x", "1" * 400):
        assert alice.client.get(URL, {"days": wrong}).status_code == 422, wrong


def test_nobody_sees_it_without_a_key(db: None) -> None:
    assert_problem(APIClient().get(URL), 401, "not_authenticated")


def test_a_used_up_budget_refuses_work_until_the_period_ends(alice: Tenant, mallory: Tenant) -> None:
    Budget.objects.create(user=alice.user, period="day", tokens=30)
    spend(alice, 30)
    before = stored_files()
    response = post(alice)
    assert_problem(response, 429, "budget_exhausted")
    assert response.json()["error_type"] == "rate_limit_error"
    assert 0 < int(response["Retry-After"]) <= 86_402
    assert response.json()["retry_after"] == int(response["Retry-After"])
    assert stored_files() == before
    assert not Task.objects.exists()
    assert post(mallory).status_code == 200


def test_money_bounds_what_costs_money_alone(alice: Tenant, clever: RegisteredModel) -> None:
    RegisteredModel.objects.filter(pk=clever.pk).update(input_price=1, output_price=1)
    Budget.objects.create(api_key=alice.key, period="month", money=Decimal(2))
    assert post(alice, model="clever").status_code == 200
    spend(alice, cost="2.5")
    before = stored_files()
    assert_problem(post(alice, model="clever"), 429, "budget_exhausted")
    assert stored_files() == before
    assert post(alice, model="local").status_code == 200


def test_a_model_without_prices_is_refused_under_a_budget_of_money(alice: Tenant, clever: RegisteredModel) -> None:
    assert post(alice, model="clever").status_code == 200
    Budget.objects.create(api_key=alice.key, period="day", money=Decimal(2))
    assert_problem(post(alice, model="clever"), 422, "model_without_price")
    RegisteredModel.objects.filter(pk=clever.pk).update(input_price=0, output_price=0)
    assert post(alice, model="clever").status_code == 200


def test_a_submission_without_a_budget_is_one_query_more(alice: Tenant) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert post(alice).status_code == 200
    about_budgets = [each["sql"] for each in queries if Budget._meta.db_table in each["sql"]]
    assert len(about_budgets) == 1
    assert not [each for each in queries if "reservation" in each["sql"] or "usageofday" in each["sql"]]
