"""Administrators set budgets, and nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from rest_framework.test import APIClient

from processing.access import keys
from processing.access.models import AuditEntry, Budget
from tests.api.test_process import assert_problem
from tests.conftest import Tenant, tenant

pytestmark = pytest.mark.django_db

URL = "/admin/budgets"


@pytest.fixture
def admin(db: None) -> APIClient:
    boss = tenant("boss", is_superuser=True)
    client = APIClient(raise_request_exception=False)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {keys.mint(boss.user, 'admin', ['admin'])[1]}")
    return client


def created(admin: APIClient, **fields: Any) -> dict[str, Any]:
    response = admin.post(URL, fields, format="json")
    assert response.status_code == 201, response.content
    body: dict[str, Any] = response.json()
    return body


def test_it_works(admin: APIClient, alice: Tenant) -> None:
    body = created(admin, user="alice", period="day", tokens=1000)
    assert (body["user"], body["key"], body["of"], body["left"]) == (
        "alice", None, "user", {"tokens": 1000, "money": None},
    )  # fmt: skip
    one = f"{URL}/{body['id']}"
    changed = admin.patch(one, {"tokens": None, "money": "2.50", "active": False}, format="json").json()
    assert (changed["tokens"], changed["money"], changed["active"], changed["period"]) == (None, 2.5, False, "day")
    assert admin.get(one).json() == changed
    assert admin.get(URL).json() == {"budgets": [changed], "next_after": None}
    assert admin.delete(one).status_code == 204
    assert_problem(admin.get(one), 404, "budget_not_found")
    told = AuditEntry.objects.filter(target_kind="budget").order_by("id")
    assert [entry.action for entry in told] == ["created", "changed", "deleted"]
    assert {(entry.actor_name, entry.door) for entry in told} == {("boss", "api")}


def test_a_list_is_read_in_parts_and_by_whose_they_are(admin: APIClient, alice: Tenant, mallory: Tenant) -> None:
    made = [
        created(admin, user="alice", period="day", tokens=1)["id"],
        created(admin, key=alice.key.pk, period="day", tokens=1)["id"],
        created(admin, user="mallory", period="month", money=1)["id"],
    ]
    first = admin.get(URL, {"page_size": 2}).json()
    assert [each["id"] for each in first["budgets"]] == made[:2]
    rest = admin.get(URL, {"page_size": 2, "after": first["next_after"]}).json()
    assert ([each["id"] for each in rest["budgets"]], rest["next_after"]) == (made[2:], None)
    assert [each["id"] for each in admin.get(URL, {"user": "alice"}).json()["budgets"]] == made[:2]
    [of_key] = admin.get(URL, {"key": alice.key.pk}).json()["budgets"]
    assert (of_key["user"], of_key["key_prefix"]) == ("alice", alice.key.prefix)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, "required"),
        ({"period": "day", "tokens": 1}, "budget_of_one"),
        ({"user": "alice", "period": "day"}, "budget_empty"),
        ({"user": "nobody", "period": "day", "tokens": 1}, "unknown_user"),
        ({"key": 10**9, "period": "day", "tokens": 1}, "unknown_key"),
        ({"user": "alice", "period": "year", "tokens": 1}, "invalid_choice"),
        ({"user": "alice", "period": "day", "tokens": -1}, "min_value"),
        ({"user": "alice", "period": "day", "tokens": 10**30}, "max_value"),
        ({"user": "alice", "period": "day", "tokens": 1.5}, "invalid"),
        ({"user": "alice", "period": "day", "money": -1}, "min_value"),
        ({"user": "alice", "period": "day", "money": "NaN"}, "invalid"),
        ({"user": "alice", "period": "day", "money": "1e99"}, "max_digits"),
        ({"user": "alice", "period": "day", "tokens": 1, "currency": "EUR"}, "unknown_field"),
        ({"user": "alice\x00", "period": "day", "tokens": 1}, "null_characters_not_allowed"),
    ],
)
def test_bad_fields_are_named(admin: APIClient, alice: Tenant, fields: dict[str, Any], code: str) -> None:
    assert_problem(admin.post(URL, fields, format="json"), 422, code)
    assert not Budget.objects.exists()


@pytest.mark.parametrize("body", [[], "text", 5, None])
def test_a_body_that_is_no_object_is_refused(admin: APIClient, body: Any) -> None:
    assert admin.post(URL, body, format="json").status_code in (400, 422)


def test_one_for_each_period(admin: APIClient, alice: Tenant) -> None:
    first = created(admin, user="alice", period="day", tokens=1)
    assert_problem(admin.post(URL, {"user": "alice", "period": "day", "money": 1}, format="json"), 422, "budget_exists")
    created(admin, user="alice", period="month", tokens=1)
    assert_problem(admin.patch(f"{URL}/{first['id']}", {"period": "month"}, format="json"), 422, "budget_exists")
    assert_problem(admin.patch(f"{URL}/{first['id']}", {"tokens": None}, format="json"), 422, "budget_empty")


@pytest.mark.parametrize("verb", ["get", "post", "patch", "delete"])
def test_an_everyday_key_sets_nothing(admin: APIClient, alice: Tenant, verb: str) -> None:
    one = created(admin, user="alice", period="day", tokens=1)["id"]
    alice.user.is_superuser = True
    alice.user.save()
    url = URL if verb == "post" else f"{URL}/{one}"
    assert_problem(getattr(alice.client, verb)(url, {}, format="json"), 403, "admin_required")
    assert Budget.objects.count() == 1


def test_the_permission_is_that_of_the_deed(alice: Tenant) -> None:
    alice.user.user_permissions.add(Permission.objects.get(codename="view_budget"))
    alice.key.scopes = ["admin"]
    alice.key.save()
    assert alice.client.get(URL).status_code == 200
    fields = {"user": "alice", "period": "day", "tokens": 1}
    assert_problem(alice.client.post(URL, fields, format="json"), 403, "admin_required")
