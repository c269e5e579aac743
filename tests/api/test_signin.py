"""Signing in for a token: what it opens, when it ends, and who is locked out."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import jwt
import pytest
import time_machine
from axes.models import AccessAttempt
from django.contrib.auth.models import Permission, User
from django.db import connections
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from processing.access.models import AuditEntry, SignIn

pytestmark = pytest.mark.django_db
SIGN_IN, SIGN_OUT, ME = "/api/v1/auths/signin", "/api/v1/auths/signout", "/api/v1/auths"
PASSWORD = "correct horse battery"
HEADERS = {"REMOTE_ADDR": "192.0.2.7"}


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_user("ada", "ada@example.com", PASSWORD, first_name="Ada", last_name="Lovelace")


def client(token: str = "") -> APIClient:
    made = APIClient(raise_request_exception=False)
    if token:
        made.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return made


def sign_in(name: Any = "ada", password: Any = PASSWORD, **headers: Any) -> Any:
    return client().post(SIGN_IN, {"email": name, "password": password}, format="json", **{**HEADERS, **headers})


def token(name: str = "ada", password: str = PASSWORD) -> str:
    body = sign_in(name, password).json()
    return str(body["token"])


def me(of: str) -> int:
    return int(client(of).get(ME).status_code)


def test_it_works(ada: User) -> None:
    response = sign_in("ada@example.com")
    body = response.json()

    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"
    assert body["token_type"] == "Bearer"
    assert body["expires_at"] == pytest.approx(timezone.now().timestamp() + 43_200, abs=60)
    assert (body["id"], body["username"], body["email"], body["name"], body["role"]) == (
        ada.pk, "ada", "ada@example.com", "Ada Lovelace", "user",
    )  # fmt: skip
    shown = client(body["token"]).get(ME)
    assert (shown.status_code, shown.json()["username"]) == (200, "ada")
    ada.refresh_from_db()
    assert ada.last_login is not None


@pytest.mark.parametrize("name", ["ada", "ada@example.com", "ADA@Example.COM"])
def test_a_name_or_an_address_will_do(ada: User, name: str) -> None:
    assert sign_in(name).status_code == 200


def test_a_token_opens_the_api_with_one_query_for_who_it_is(ada: User, django_assert_num_queries: Any) -> None:
    held = token()
    url = "/api/v2/status/0b3f6f0e-2b1f-4c8f-9c61-6d4f0b8f6f10"
    client(held).get(url)  # What limits hold for them is known from here on.
    with django_assert_num_queries(2):
        response = client(held).get(url)
    assert response.json()["code"] == "task_not_found"


@pytest.mark.parametrize(
    ("name", "password"),
    [("ada", "wrong"), ("nobody", PASSWORD), ("nobody@example.com", PASSWORD), ("former", PASSWORD), ("ADA", PASSWORD)],
)
def test_every_refusal_is_the_same(ada: User, name: str, password: str) -> None:
    User.objects.create_user("former", password=PASSWORD, is_active=False)
    response = sign_in(name, password)
    body = response.json()
    assert (response.status_code, body["code"], body["error_type"]) == (401, "invalid_credentials", "auth_error")
    assert body["detail"] == "The name or the password is wrong."
    assert "Bearer" in response["WWW-Authenticate"]
    assert response["Content-Type"] == "application/problem+json"


def test_a_name_that_is_nobodys_costs_a_password_too(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the time would tell who exists."""
    hashed: list[str] = []
    monkeypatch.setattr("django.contrib.auth.base_user.make_password", lambda given, *_: hashed.append(given) or "x")
    for name in ("nobody", "nobody@example.com"):
        sign_in(name, "guess")
    assert hashed == ["guess", "guess"]


def test_an_address_of_two_users_is_nobodys(ada: User) -> None:
    User.objects.create_user("other", "Ada@example.com", PASSWORD)
    assert sign_in("ada@example.com").status_code == 401
    assert sign_in("ada").status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": "ada"},
        {"password": PASSWORD},
        {"email": ["ada"], "password": PASSWORD},
        {"email": {"a": 1}, "password": PASSWORD},
        {"email": "", "password": PASSWORD},
        {"email": "ada", "password": ""},
        {"email": "ada", "password": None},
        {"email": "a\0b", "password": PASSWORD},
        {"email": "a" * 300, "password": PASSWORD},
        {"email": "ada", "password": "p" * 2000},
        [],
        "ada",
        None,
    ],
)
def test_what_is_no_credentials_is_told_so(ada: User, body: Any) -> None:
    response = client().post(SIGN_IN, body, format="json", **HEADERS)
    assert (response.status_code, response.json()["error_type"]) == (422, "validation_error")


def test_half_a_surrogate_pair_is_no_name(ada: User) -> None:
    body = b'{"email": "\\ud800", "password": "x"}'
    assert client().generic("POST", SIGN_IN, body, "application/json", **HEADERS).status_code == 422


def test_an_ended_token_keeps_nobody_from_signing_in_again(ada: User) -> None:
    held = client("a.b.c")
    response = held.post(SIGN_IN, {"email": "ada", "password": PASSWORD}, format="json", **HEADERS)
    assert response.status_code == 200


@pytest.mark.parametrize("method", ["get", "put", "delete"])
def test_a_wrong_method_is_refused(method: str) -> None:
    assert getattr(client(), method)(SIGN_IN).status_code == 405


# --- When a token ends


def test_a_token_expires(ada: User) -> None:
    held = token()
    with time_machine.travel(timezone.now() + timedelta(hours=11, minutes=59)):
        assert me(held) == 200
    with time_machine.travel(timezone.now() + timedelta(hours=12, seconds=1)):
        response = client(held).get(ME)
    assert (response.status_code, response.json()["code"]) == (401, "invalid_token")
    assert "Bearer" in response["WWW-Authenticate"]


def test_signing_out_ends_this_token_alone(ada: User) -> None:
    one, other = token(), token()
    assert client(one).post(SIGN_OUT).status_code == 200
    assert (me(one), me(other)) == (401, 200)
    assert client(one).post(SIGN_OUT).status_code == 401


def test_a_deactivated_users_token_and_key_are_refused(alice: Any) -> None:
    alice.user.set_password(PASSWORD)
    alice.user.save()
    held = token("alice")
    assert (me(held), alice.client.get(ME).status_code) == (200, 200)
    User.objects.filter(pk=alice.user.pk).update(is_active=False)
    assert (me(held), alice.client.get(ME).status_code) == (401, 401)


def test_a_changed_password_ends_all_tokens(ada: User) -> None:
    held = [token(), token()]
    ada.set_password("another password")
    ada.save()
    assert [me(each) for each in held] == [401, 401]
    assert me(token("ada", "another password")) == 200


def test_a_deleted_users_token_is_refused(ada: User) -> None:
    held = token()
    ada.delete()
    assert me(held) == 401


def test_a_token_cannot_be_made_elsewhere(ada: User, settings: Any) -> None:
    held = token()
    claims = jwt.decode(held, options={"verify_signature": False})
    forged = [
        jwt.encode(claims, settings.SECRET_KEY, "HS256"),
        jwt.encode(claims, "", "none"),
        jwt.encode({**claims, "exp": claims["exp"] + 9}, "k" * 64, "HS256"),
        held[:-4] + "AAAA",
        held + "A",
        "a.b.c",
        "..",
        ".." + "x" * 60_000,
    ]
    for each in forged:
        response = client(each).get(ME)
        assert (response.status_code, response.json()["code"]) == (401, "invalid_token")
    assert "password" not in str(claims)


def test_what_is_over_is_forgotten_at_the_next_sign_in(ada: User) -> None:
    with time_machine.travel(timezone.now() - timedelta(days=1)):
        token()
    token()
    assert SignIn.objects.count() == 1


# --- A browser's session


def test_a_browser_signs_out_with_csrf_alone(ada: User) -> None:
    browser = APIClient(enforce_csrf_checks=True)
    browser.force_login(ada)
    assert browser.get(ME).status_code == 200
    assert browser.post(SIGN_OUT).status_code == 403
    browser.get("/admin/login/")
    browser.credentials(HTTP_X_CSRFTOKEN=browser.cookies["csrftoken"].value)
    assert browser.post(SIGN_OUT).status_code == 200
    assert browser.get(ME).status_code == 401


def test_who_is_nobody_is_told_so() -> None:
    assert client().get(ME).json()["code"] == "not_authenticated"
    assert client().post(SIGN_OUT).json()["code"] == "not_authenticated"


def test_a_key_signs_nobody_out(alice: Any) -> None:
    assert alice.client.get(ME).json()["username"] == "alice"
    response = alice.client.post(SIGN_OUT)
    assert (response.status_code, response.json()["code"]) == (403, "sign_in_required")


# --- Administrators


def test_an_administrators_token_changes_the_configuration(ada: User) -> None:
    User.objects.filter(pk=ada.pk).update(is_superuser=True)
    response = client(token()).post("/admin/config", {"api_v2": {"max_concurrent": 3}}, format="json")
    assert response.status_code == 200


def test_being_staff_is_not_enough_for_a_token(ada: User) -> None:
    User.objects.filter(pk=ada.pk).update(is_staff=True)
    held = client(token())
    assert held.get("/admin/config").json()["code"] == "admin_required"
    ada.user_permissions.add(Permission.objects.get(codename="view_configurationrevision"))
    assert held.get("/admin/config").status_code == 200
    assert held.post("/admin/config", {"api_v2": {"max_concurrent": 3}}, format="json").status_code == 403


# --- Lock-out


def fail(times: int, name: str = "ada", **headers: Any) -> Any:
    return [sign_in(name, "wrong", **headers) for _ in range(times)][-1]


def assert_locked(response: Any) -> dict[str, Any]:
    body: dict[str, Any] = response.json()
    assert (response.status_code, body["code"], body["error_type"]) == (429, "locked_out", "rate_limit_error")
    assert response["Content-Type"] == "application/problem+json"
    assert response["Retry-After"] == str(body["retry_after"])
    return body


def test_repeated_failures_lock_out_even_the_right_password(ada: User) -> None:
    assert fail(4).status_code == 401
    assert_locked(fail(1))
    body = assert_locked(sign_in())
    assert 890 <= body["retry_after"] <= 900
    assert "15 minutes" in body["detail"]
    assert not SignIn.objects.exists()


def test_the_lock_is_over_in_time_whatever_is_tried_meanwhile(ada: User) -> None:
    fail(5)
    with time_machine.travel(timezone.now() + timedelta(minutes=14)):
        body = assert_locked(fail(3))
        assert 55 <= body["retry_after"] <= 60
    with time_machine.travel(timezone.now() + timedelta(minutes=15, seconds=1)):
        assert sign_in().status_code == 200


def test_success_forgets_the_failures_before(ada: User) -> None:
    for _ in range(3):
        fail(4)
        assert sign_in().status_code == 200
        fail(4, "ada@example.com")
        assert sign_in("ada@example.com").status_code == 200


def test_others_go_on(ada: User) -> None:
    User.objects.create_user("bob", password=PASSWORD)
    fail(5)
    assert sign_in("bob").status_code == 200
    assert sign_in(REMOTE_ADDR="192.0.2.8").status_code == 200
    assert sign_in(REMOTE_ADDR="2001:db8::8").status_code == 200


def test_a_name_that_is_nobodys_is_locked_just_so(ada: User) -> None:
    assert fail(4, "nobody").status_code == 401
    assert_locked(fail(1, "nobody"))
    assert_locked(fail(1, "NOBODY"))


@pytest.mark.parametrize("spellings", [("ada", "ADA", "Ada"), ("ada", "ａｄａ")])
def test_another_spelling_is_no_fresh_start(ada: User, spellings: tuple[str, ...]) -> None:
    for number in range(4):
        fail(1, spellings[number % len(spellings)])
    assert_locked(fail(1))


def test_another_program_is_no_fresh_start(ada: User) -> None:
    for number in range(4):
        fail(1, HTTP_USER_AGENT=f"guesser {number}")
    assert_locked(fail(1))


def test_a_made_up_origin_is_no_fresh_start(ada: User) -> None:
    for number in range(4):
        fail(1, HTTP_X_FORWARDED_FOR=f"203.0.113.{number}")
    assert_locked(fail(1))


def test_behind_a_proxy_clients_are_told_apart(ada: User, settings: Any) -> None:
    settings.NUM_PROXIES = 1
    for number in range(4):
        fail(1, HTTP_X_FORWARDED_FOR=f"203.0.113.{number}, 192.0.2.50")
    assert_locked(fail(1, HTTP_X_FORWARDED_FOR="192.0.2.50"))
    assert sign_in(HTTP_X_FORWARDED_FOR="192.0.2.51").status_code == 200


def test_the_admins_login_and_the_api_count_together(ada: User) -> None:
    User.objects.filter(pk=ada.pk).update(is_staff=True)
    browser = Client(headers={"Accept": "text/html"}, **HEADERS)
    for _ in range(2):
        assert browser.post("/admin/login/", {"username": "ada", "password": "wrong"}).status_code == 200
    fail(2)
    page = browser.post("/admin/login/", {"username": "ada", "password": "wrong"})
    assert page.status_code == 429
    assert 890 <= int(page["Retry-After"]) <= 900
    assert "Too many failed attempts" in page.content.decode()
    assert_locked(sign_in())
    again = browser.post("/admin/login/", {"username": "ada", "password": PASSWORD})
    assert (again.status_code, "_auth_user_id" in browser.session) == (429, False)


def test_the_admin_takes_an_address_too(ada: User) -> None:
    User.objects.filter(pk=ada.pk).update(is_staff=True)
    browser = Client(**HEADERS)
    assert browser.post("/admin/login/", {"username": "ada@example.com", "password": PASSWORD}).status_code == 302


@pytest.mark.parametrize("name", ["n" * 300, "n" * 100_000, "\u202etxt", "a\0b", "ﬃ" * 200, "' OR 1=1 --"])
def test_odd_names_lock_nobody_out_of_the_form(name: str) -> None:
    browser = Client(raise_request_exception=False, headers={"Accept": "text/html"}, **HEADERS)
    for _ in range(3):
        assert browser.post("/admin/login/", {"username": name, "password": "wrong"}).status_code == 200


def test_of_guesses_at_once_none_counts_more_than_in_a_row(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """The right password among others that were begun before the lock: it was still looked at, and does not open."""
    from django.contrib.auth.backends import ModelBackend

    usual = ModelBackend.authenticate

    def slow(self: Any, request: Any, **given: Any) -> Any:
        if given.get("password") == PASSWORD:
            fail(5)
        return usual(self, request, **given)

    monkeypatch.setattr(ModelBackend, "authenticate", slow)
    assert_locked(sign_in())
    assert not SignIn.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_failures_at_once_are_all_counted(ada: User) -> None:
    statuses: list[int] = []

    def guess() -> None:
        try:
            statuses.append(fail(1).status_code)
        finally:
            connections["default"].close()

    threads = [threading.Thread(target=guess) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) <= {401, 429}
    assert 429 in statuses
    assert_locked(sign_in())


def test_a_lock_is_in_the_audit_trail_once_and_only_of_users(ada: User) -> None:
    fail(9)
    fail(9, "nobody")
    entry = AuditEntry.objects.get(action="locked_out")
    assert (entry.door, entry.target_kind, entry.target_name) == ("api", "user", "ada")
    assert entry.changes == {"address": "192.0.2.7", "seconds": 900.0}


def test_no_password_is_kept_or_logged(ada: User, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    browser = Client(headers={"Accept": "text/html"}, **HEADERS)
    for _ in range(3):
        browser.post("/admin/login/", {"username": "ada", "password": "canary-wrong"})
        sign_in("ada", "canary-wrong")
    held = token("ada", PASSWORD) if sign_in().status_code == 200 else ""
    kept = str(list(AccessAttempt.objects.values())) + str(list(AuditEntry.objects.values())) + caplog.text
    assert "canary" not in kept
    assert PASSWORD not in kept
    assert not held or held not in kept


def test_locks_cost_others_nothing(ada: User) -> None:
    """What was counted and is over goes when the next failure comes."""
    with time_machine.travel(timezone.now() - timedelta(hours=1)):
        for number in range(5):
            fail(1, f"nobody-{number}")
    fail(1)
    assert [attempt.username for attempt in AccessAttempt.objects.all()] == ["ada"]
