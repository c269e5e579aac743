"""Users and groups are kept in the admin; rights come from superusers alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from processing.documents.models import StoredDocument

USERS = "/admin/auth/user/"
JOINED = {"date_joined_0": "2024-01-01", "date_joined_1": "00:00:00"}


def change(client: Client, user: User, **fields: Any) -> Any:
    return client.post(f"{USERS}{user.pk}/change/", {"username": user.username, "is_active": "on", **JOINED, **fields})


def test_it_works(as_root: Client) -> None:
    form = {
        "username": "new",
        "usable_password": "true",
        "password1": "a long phrase 1",
        "password2": "a long phrase 1",
    }

    as_root.post(USERS + "add/", form)

    made = User.objects.get(username="new")
    assert made.check_password("a long phrase 1")
    assert not made.is_staff


def test_a_superuser_hands_out_rights(as_root: Client, owner: User) -> None:
    permission = Permission.objects.get(codename="cancel_task")

    change(as_root, owner, is_staff="on", user_permissions=[permission.pk])

    owner.refresh_from_db()
    assert owner.is_staff
    assert owner.has_perm("processing.cancel_task")


def test_who_may_change_users_hands_out_no_rights(staff: Callable[..., Client], owner: User) -> None:
    clerk = staff("auth.view_user", "auth.change_user")

    change(clerk, owner, is_superuser="on", is_staff="on", email="new@example.com")

    owner.refresh_from_db()
    assert owner.email == "new@example.com"
    assert not owner.is_superuser
    assert not owner.is_staff


@pytest.mark.parametrize("rank", ["superuser", "staff", "group", "self"])
def test_who_may_change_users_takes_over_nobody_with_rights(
    staff: Callable[..., Client], root: User, owner: User, rank: str
) -> None:
    clerk = staff("auth.view_user", "auth.change_user", "auth.delete_user")
    owner.groups.add(Group.objects.create(name="managers"))
    target = {
        "superuser": root,
        "staff": User.objects.create_user("second", is_staff=True),
        "group": owner,
        "self": User.objects.get(username="clerk"),
    }[rank]
    before = target.password

    changed = change(clerk, target, is_superuser="on")
    password = clerk.post(
        f"{USERS}{target.pk}/password/",
        {"usable_password": "true", "password1": "a long phrase 1", "password2": "a long phrase 1"},
    )
    deleted = clerk.post(f"{USERS}{target.pk}/delete/", {"post": "yes"})

    assert (changed.status_code, password.status_code, deleted.status_code) == (403, 403, 403)
    target.refresh_from_db()
    assert target.password == before


def test_groups_are_a_superusers(staff: Callable[..., Client]) -> None:
    group = Group.objects.create(name="managers")
    clerk = staff("auth.view_group", "auth.add_group", "auth.change_group", "auth.delete_group")

    assert clerk.get(f"/admin/auth/group/{group.pk}/change/").status_code == 200
    assert clerk.post(f"/admin/auth/group/{group.pk}/change/", {"name": "mine"}).status_code == 403
    assert clerk.post("/admin/auth/group/add/", {"name": "mine"}).status_code == 403
    assert clerk.post(f"/admin/auth/group/{group.pk}/delete/", {"post": "yes"}).status_code == 403


def test_a_user_with_documents_is_not_deleted_with_them(as_root: Client, document: StoredDocument) -> None:
    as_root.post(f"{USERS}{document.owner_id}/delete/", {"post": "yes"})

    assert User.objects.filter(pk=document.owner_id).exists()
    assert StoredDocument.objects.filter(pk=document.pk).exists()
