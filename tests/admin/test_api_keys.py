"""A key is made in the admin, shown once, and revoked there."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.forms.models import model_to_dict
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from modelsregistry.models import RegisteredModel
from modelsregistry.provisioning import provision
from processing.access import keys
from processing.access.audit import Actor
from processing.access.models import ApiKey, AuditEntry

LIST = "/admin/processing/apikey/"
SECRET = re.compile(r"sk-[A-Za-z0-9_-]{43}")


@pytest.fixture
def local_model(db: None) -> RegisteredModel:
    provision({})
    return RegisteredModel.objects.get(public_id="local")


def add(client: Client, user: User, /, **fields: Any) -> Any:
    form = {"user": user.pk, "name": "laptop", "expires_at_0": "", "expires_at_1": "", **fields}
    return client.post(LIST + "add/", form, follow=True)


def test_it_works(as_root: Client, owner: User) -> None:
    page = add(as_root, owner, scopes=["admin"]).content.decode()

    (secret,) = SECRET.findall(page)
    key = keys.find(secret)
    assert key is not None
    assert (key.user, key.name, key.scopes, key.expires_at) == (owner, "laptop", ["admin"], None)


def test_the_secret_is_shown_once_and_kept_nowhere(
    as_root: Client, owner: User, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    (secret,) = SECRET.findall(add(as_root, owner).content.decode())
    key = ApiKey.objects.get()

    for url in (LIST, f"{LIST}{key.pk}/change/", f"{LIST}{key.pk}/history/", "/admin/"):
        assert secret not in as_root.get(url).content.decode()
    assert secret not in str(as_root.cookies)
    assert secret not in str([session.get_decoded() for session in Session.objects.all()])
    assert secret not in str(list(LogEntry.objects.values()))
    assert secret not in str(model_to_dict(key)) + key.digest
    assert secret not in caplog.text
    assert len(key.digest) == 64


def test_the_digest_is_on_no_page(as_root: Client, key: ApiKey) -> None:
    for url in (LIST, f"{LIST}{key.pk}/change/"):
        assert key.digest not in as_root.get(url).content.decode()


def test_a_key_can_be_made_to_expire(as_root: Client, owner: User) -> None:
    moment = timezone.now().replace(microsecond=0) + timedelta(days=30)

    add(as_root, owner, expires_at_0=moment.strftime("%Y-%m-%d"), expires_at_1=moment.strftime("%H:%M:%S"))

    assert ApiKey.objects.get().expires_at == moment


@pytest.mark.parametrize(
    "wrong",
    [
        {"expires_at_0": "2001-01-01", "expires_at_1": "00:00:00"},
        {"scopes": ["root"]},
        {"name": "n" * 101},
        {"user": 999_999},
        {"user": ""},
        {"allowed_endpoints": "/api/v2/nothing"},
        {"allowed_endpoints": "<script>alert(1)</script>"},
        {"allowed_networks": "192.0.2.0/40"},
        {"allowed_networks": "\n".join(f"192.0.2.{number}" for number in range(101))},
        {"allowed_models": [999_999]},
    ],
)
def test_what_is_wrong_makes_no_key(as_root: Client, owner: User, wrong: dict[str, Any]) -> None:
    response = add(as_root, owner, **wrong)

    assert response.status_code == 200
    assert not ApiKey.objects.exists()
    assert SECRET.findall(response.content.decode()) == []


def test_a_key_is_limited(as_root: Client, owner: User, local_model: RegisteredModel) -> None:
    add(
        as_root,
        owner,
        allowed_endpoints="/api/v2/process/\r\n\r\n /api/v2/status\r\n",
        allowed_networks="192.0.2.7/24\n2001:db8::/32",
        allowed_models=[local_model.pk],
    )

    key = ApiKey.objects.get()
    assert key.allowed_endpoints == ["/api/v2/process", "/api/v2/status"]
    assert key.allowed_networks == ["192.0.2.0/24", "2001:db8::/32"]
    assert list(key.allowed_models.all()) == [local_model]
    page = as_root.get(f"{LIST}{key.pk}/change/").content.decode()
    assert all(shown in page for shown in ("/api/v2/status", "192.0.2.0/24", local_model.public_id))


@pytest.mark.parametrize(("action", "lives"), [("rotate", True), ("replace", False)])
def test_a_key_gets_a_new_secret_that_is_shown_once(as_root: Client, owner: User, action: str, lives: bool) -> None:
    key, before = keys.mint(owner, "laptop")

    page = as_root.post(LIST, {"action": action, "_selected_action": [key.pk]}, follow=True).content.decode()

    (secret,) = SECRET.findall(page)
    assert keys.find(secret) == key
    assert (keys.find(before) == key) is lives
    assert secret not in as_root.get(LIST).content.decode()
    assert [entry.action for entry in AuditEntry.objects.order_by("id")] == ["created", "rotated"]
    assert AuditEntry.objects.order_by("id").last().actor_name == "root"  # type: ignore[union-attr]


def test_a_revoked_key_is_not_rotated(as_root: Client, key: ApiKey) -> None:
    keys.revoke(key.pk, by=Actor("admin"))

    page = as_root.post(LIST, {"action": "rotate", "_selected_action": [key.pk]}, follow=True).content.decode()

    assert SECRET.findall(page) == []
    assert "revoked or expired" in page


def test_nobody_but_a_superuser_is_shown_anothers_secret(staff: Callable[..., Client], owner: User) -> None:
    """Whoever has it acts as its user."""
    key, secret = keys.mint(owner, "laptop")
    clerk = staff("processing.change_apikey", "processing.view_apikey")
    own, _ = keys.mint(User.objects.get(username="clerk"), "own")

    page = clerk.post(LIST, {"action": "replace", "_selected_action": [key.pk]}, follow=True).content.decode()
    assert (SECRET.findall(page), keys.find(secret)) == ([], key)

    page = clerk.post(LIST, {"action": "replace", "_selected_action": [own.pk]}, follow=True).content.decode()
    assert len(SECRET.findall(page)) == 1


def test_who_may_only_look_rotates_nothing(staff: Callable[..., Client], owner: User) -> None:
    key, secret = keys.mint(owner, "laptop")
    staff("processing.view_apikey").post(LIST, {"action": "replace", "_selected_action": [key.pk]})
    assert keys.find(secret) == key


def test_staff_without_the_permission_make_no_key(staff: Callable[..., Client], owner: User) -> None:
    assert add(staff("processing.view_apikey"), owner).status_code == 403
    assert not ApiKey.objects.exists()


def test_who_may_make_keys_makes_them_for_nobody_else(staff: Callable[..., Client], root: User, owner: User) -> None:
    clerk = staff("processing.add_apikey", "processing.view_apikey")

    for other in (root, owner):
        add(clerk, other, scopes=["admin"])
    assert not ApiKey.objects.exists()

    add(clerk, User.objects.get(username="clerk"))
    assert ApiKey.objects.get().user.username == "clerk"


def test_a_key_is_neither_changed_nor_deleted(as_root: Client, key: ApiKey) -> None:
    before = model_to_dict(key)

    changed = as_root.post(f"{LIST}{key.pk}/change/", {"user": 1, "name": "other", "scopes": ["admin"]})
    deleted = as_root.post(f"{LIST}{key.pk}/delete/", {"post": "yes"})

    assert (changed.status_code, deleted.status_code) == (403, 403)
    assert model_to_dict(ApiKey.objects.get()) == before


def test_a_revoked_key_opens_nothing_any_more(as_root: Client, owner: User) -> None:
    key, secret = keys.mint(owner, "laptop")

    page = as_root.post(LIST, {"action": "revoke", "_selected_action": [key.pk]}, follow=True).content.decode()

    assert "1 key was revoked." in page
    assert keys.find(secret) is None


def test_revoking_again_keeps_the_first_moment(as_root: Client, key: ApiKey) -> None:
    ApiKey.objects.filter(pk=key.pk).update(revoked_at=timezone.now() - timedelta(days=1))
    key.refresh_from_db()
    first = key.revoked_at

    as_root.post(LIST, {"action": "revoke", "_selected_action": [key.pk]})

    key.refresh_from_db()
    assert key.revoked_at == first


def test_who_may_only_look_revokes_nothing(staff: Callable[..., Client], key: ApiKey) -> None:
    staff("processing.view_apikey").post(LIST, {"action": "revoke", "_selected_action": [key.pk]})

    key.refresh_from_db()
    assert key.revoked_at is None


@pytest.mark.parametrize("state", ["active", "revoked", "expired"])
def test_keys_are_filtered_by_state(as_root: Client, owner: User, state: str) -> None:
    past = timezone.now() - timedelta(days=1)
    made = {name: keys.mint(owner, name)[0] for name in ("active", "revoked", "expired")}
    ApiKey.objects.filter(pk=made["revoked"].pk).update(revoked_at=past)
    ApiKey.objects.filter(pk=made["expired"].pk).update(expires_at=past)

    response = as_root.get(LIST, {"state": state})

    assert [key.name for key in response.context["cl"].result_list] == [state]
    assert reverse("admin:processing_apikey_change", args=[made[state].pk]) in response.content.decode()
