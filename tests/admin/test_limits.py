"""Limits of keys and users: set, found, checked and told of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from processing.access.models import ApiKey, AuditEntry, CallerLimits
from processing.access.rates.allowances import OWN

LIST = "admin:processing_callerlimits_changelist"
ADD = "admin:processing_callerlimits_add"
NOTHING = dict.fromkeys(("key", "user", *OWN, "reason"), "")


def page(limits: CallerLimits, action: str = "change") -> str:
    return reverse(f"admin:processing_callerlimits_{action}", args=[limits.pk])


def added(client: Client, **fields: Any) -> Any:
    return client.post(reverse(ADD), {**NOTHING, **fields})


def entries() -> list[tuple[str, str, dict[str, Any]]]:
    return [(each.action, each.target_name, each.changes) for each in AuditEntry.objects.order_by("id")]


def test_it_works(as_root: Client, root: User, key: ApiKey) -> None:
    assert added(as_root, key=key.pk, per_minute=200, reason="nightly import").status_code == 302
    limits = CallerLimits.objects.get()
    assert (limits.key, limits.user, limits.per_minute, limits.per_hour) == (key, None, 200, None)
    entry = AuditEntry.objects.get()
    assert (entry.door, entry.actor_id, entry.target_kind, entry.target_id) == (
        "admin",
        root.pk,
        "limits",
        str(limits.pk),
    )
    assert entries() == [
        ("created", f"key {key.prefix}", {"key": key.pk, "per_minute": 200, "reason": "nightly import"})
    ]


def test_a_change_and_a_deletion_are_told_of(as_root: Client, owner: User) -> None:
    limits = CallerLimits.objects.create(user=owner, per_minute=5, per_day=7)
    kept = {**NOTHING, "per_minute": "", "per_day": "8"}
    assert as_root.post(page(limits), kept).status_code == 302
    assert as_root.post(page(limits, "delete"), {"post": "yes"}).status_code == 302
    assert entries() == [
        ("changed", "user ada", {"per_minute": None, "per_day": 8}),
        ("deleted", "user ada", {"per_day": 8}),
    ]


def test_deleting_several_is_told_of_one_by_one(as_root: Client, owner: User, key: ApiKey) -> None:
    rows = [CallerLimits.objects.create(user=owner, per_day=1), CallerLimits.objects.create(key=key, per_day=2)]
    chosen = {"action": "delete_selected", "_selected_action": [row.pk for row in rows], "post": "yes"}
    assert as_root.post(reverse(LIST), chosen).status_code == 302
    assert not CallerLimits.objects.exists()
    assert sorted(name for _, name, _ in entries()) == [f"key {key.prefix}", "user ada"]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"per_minute": 5}, "Name either a key or a user."),
        ({"key": "its", "user": "its", "per_minute": 5}, "Name either a key or a user."),
        ({"key": "its"}, "Set one limit at least."),
        ({"key": "its", "per_minute": 0}, "greater than or equal to 1"),
        ({"key": "its", "per_minute": -1}, "greater than or equal to"),
        ({"key": "its", "per_minute": 10**10}, "less than or equal to 1000000000"),
        ({"key": "its", "per_minute": "many"}, "Enter a whole number"),
    ],
)
def test_bad_input_is_named(as_root: Client, owner: User, key: ApiKey, fields: dict[str, Any], sentence: str) -> None:
    named = {"key": key.pk, "user": owner.pk}
    response = added(as_root, **{name: named[name] if value == "its" else value for name, value in fields.items()})
    assert response.status_code == 200
    assert sentence in response.content.decode()
    assert not CallerLimits.objects.exists()


def test_there_is_one_row_for_each(as_root: Client, key: ApiKey) -> None:
    CallerLimits.objects.create(key=key, per_minute=1)
    assert "already exists" in added(as_root, key=key.pk, per_minute=2).content.decode()


@pytest.mark.parametrize("words", ["laptop", "ada", "import"])
def test_they_are_found(as_root: Client, key: ApiKey, words: str) -> None:
    CallerLimits.objects.create(key=key, per_minute=1, reason="import")
    assert as_root.get(reverse(LIST), {"q": words}).context["cl"].result_count == 1


def test_whose_they_are_is_not_changed(as_root: Client, owner: User, root: User) -> None:
    limits = CallerLimits.objects.create(user=owner, per_minute=1)
    as_root.post(page(limits), {**NOTHING, "user": root.pk, "per_minute": 2})
    limits.refresh_from_db()
    assert (limits.user, limits.per_minute) == (owner, 2)


def test_who_may_only_see_them_changes_nothing(staff: Callable[..., Client], owner: User) -> None:
    limits = CallerLimits.objects.create(user=owner, per_minute=1)
    clerk = staff("processing.view_callerlimits")
    assert clerk.get(page(limits)).status_code == 200
    assert clerk.post(page(limits), {**NOTHING, "per_minute": 100}).status_code == 403
    assert clerk.post(page(limits, "delete"), {"post": "yes"}).status_code == 403


def test_they_go_with_their_key(key: ApiKey) -> None:
    CallerLimits.objects.create(key=key, per_minute=1)
    key.delete()
    assert not CallerLimits.objects.exists()
