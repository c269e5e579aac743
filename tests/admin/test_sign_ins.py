"""Sign-ins and lock-outs are seen in the admin and ended there, by whoever may; nothing else of them is edited."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from processing.access import sign_ins
from processing.access.models import AuditEntry, SignIn

SIGN_INS, FAILURES = "/admin/processing/signin/", "/admin/axes/accessattempt/"


@pytest.fixture
def sign_in(owner: User) -> SignIn:
    return sign_ins.begin(owner, timezone.now() + timedelta(hours=1), "192.0.2.7")


@pytest.fixture
def locked(owner: User) -> AccessAttempt:
    for _ in range(5):
        response = Client().post(
            "/api/v1/auths/signin", {"email": "ada", "password": "wrong"}, "application/json", HTTP_USER_AGENT="<b>curl"
        )
    assert response.status_code == 429
    return AccessAttempt.objects.get()


def run(client: Client, page: str, action: str, pk: Any) -> str:
    response = client.post(page, {"action": action, "_selected_action": [pk]}, follow=True)
    return response.content.decode()


def test_it_works(as_root: Client, sign_in: SignIn) -> None:
    page = as_root.get(SIGN_INS).content.decode()
    assert "192.0.2.7" in page
    assert "1 sign-in was ended." in run(as_root, SIGN_INS, "end", sign_in.pk)
    assert sign_ins.find(sign_in.pk) is None
    entry = AuditEntry.objects.get(action="signed_out")
    assert (entry.door, entry.actor_name, entry.target_name) == ("admin", "root", "ada")


def test_the_seal_is_on_no_page(as_root: Client, sign_in: SignIn) -> None:
    for url in (SIGN_INS, f"{SIGN_INS}{sign_in.pk}/change/"):
        assert sign_in.seal not in as_root.get(url).content.decode()


def test_a_lock_is_seen_and_reset(as_root: Client, locked: AccessAttempt) -> None:
    page = as_root.get(FAILURES).content.decode()
    assert "locked out for" in page
    assert "<b>curl" not in as_root.get(f"{FAILURES}{locked.pk}/change/").content.decode()
    assert "1 name was reset." in run(as_root, FAILURES, "reset", locked.pk)
    assert not AccessAttempt.objects.exists()
    assert AuditEntry.objects.filter(action="unlocked", target_name="ada").count() == 1
    response = Client().post("/api/v1/auths/signin", {"email": "ada", "password": "wrong"}, "application/json")
    assert response.status_code == 401


def test_who_may_only_look_ends_nothing(staff: Callable[..., Client], sign_in: SignIn, locked: AccessAttempt) -> None:
    clerk = staff("processing.view_signin", "axes.view_accessattempt")
    run(clerk, SIGN_INS, "end", sign_in.pk)
    run(clerk, FAILURES, "reset", locked.pk)
    assert sign_ins.find(sign_in.pk) == sign_in
    assert AccessAttempt.objects.exists()


def test_nothing_is_edited(as_root: Client, sign_in: SignIn, locked: AccessAttempt) -> None:
    for page, pk in ((SIGN_INS, sign_in.pk), (FAILURES, locked.pk)):
        for verb in (f"{pk}/change/", f"{pk}/delete/", "add/"):
            assert as_root.post(page + verb, {"post": "yes"}).status_code == 403


def test_axes_own_pages_are_gone(as_root: Client) -> None:
    for name in ("accesslog", "accessfailurelog", "accessattemptexpiration"):
        assert as_root.get(f"/admin/axes/{name}/").status_code == 404
