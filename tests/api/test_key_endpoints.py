"""One's own keys by the API, and what a key may be used for: where, from where, and never to make another."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.test import APIClient

from modelsregistry.models import RegisteredModel
from processing.access import keys
from processing.access.audit import Actor
from processing.access.models import ApiKey, AuditEntry
from processing.access.restrictions import Restrictions
from processing.api import tokens
from tests.conftest import Tenant

pytestmark = pytest.mark.django_db
KEYS = "/api/v1/auths/api_key"
TASK = "0b3f6f0e-2b1f-4c8f-9c61-6d4f0b8f6f10"
GUIDE = ("/api/v2/process", "/api/v2/status", "/api/v2/models", "/api/v2/health", "/api/v2/config")


def bearer(secret: str) -> APIClient:
    made = APIClient(raise_request_exception=False)
    made.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return made


def signed_in(user: User) -> APIClient:
    return bearer(tokens.issue(user, "192.0.2.7").token)


def restricted(tenant: Tenant, **limits: Any) -> APIClient:
    return bearer(keys.mint(tenant.user, "limited", ["admin"], Restrictions(**limits))[1])


def code(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


# --- Making, listing, replacing, revoking


def test_it_works(alice: Tenant) -> None:
    response = signed_in(alice.user).post(KEYS)
    body = response.json()

    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"
    key = keys.find(body["api_key"])
    assert key is not None
    assert (key.user, key.scopes, body["id"], body["prefix"]) == (alice.user, [], key.pk, body["api_key"][:8])
    assert bearer(body["api_key"]).get("/api/v2/tasks").status_code == 200


def test_a_key_is_limited_as_asked(alice: Tenant) -> None:
    moment = timezone.now().replace(microsecond=0) + timedelta(days=30)
    body = signed_in(alice.user).post(
        KEYS,
        {
            "name": "scanner",
            "scopes": ["admin"],
            "expires_at": moment.timestamp(),
            "allowed_endpoints": ["/api/v2/process/"],
            "allowed_networks": ["192.0.2.7/24", "2001:db8::/32"],
            "allowed_models": ["local"],
        },
        format="json",
    ).json()  # fmt: skip

    key = ApiKey.objects.get(pk=body["id"])
    assert (key.name, key.scopes, key.expires_at) == ("scanner", ["admin"], moment)
    assert (key.allowed_endpoints, key.allowed_networks) == (["/api/v2/process"], ["192.0.2.0/24", "2001:db8::/32"])
    assert [model.public_id for model in key.allowed_models.all()] == ["local"]
    assert (body["allowed_models"], body["expires_at"]) == (["local"], moment.timestamp())


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"scopes": ["root"]}, "scopes"),
        ({"scopes": "admin"}, "scopes"),
        ({"name": "n" * 101}, "name"),
        ({"name": {"a": 1}}, "name"),
        ({"expires_at": 1}, "expires_at"),
        ({"expires_at": "nan"}, "expires_at"),
        ({"expires_at": 1e300}, "expires_at"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"allowed_endpoints": ["/api/v2/nothing"]}, "allowed_endpoints"),
        ({"allowed_endpoints": "/api/v2/process"}, "allowed_endpoints"),
        ({"allowed_networks": ["192.0.2.0/40"]}, "allowed_networks"),
        ({"allowed_networks": [["192.0.2.0/24"]]}, "allowed_networks"),
        ({"allowed_networks": ["192.0.2.1"] * 101}, "allowed_networks"),
        ({"allowed_models": ["no-such-model"]}, "allowed_models"),
        ({"allowed_endpoint": ["/api/v2/process"]}, "allowed_endpoint"),
        ({"user": 1}, "user"),
    ],
)
def test_what_is_wrong_makes_no_key(alice: Tenant, wrong: dict[str, Any], field: str) -> None:
    """A limit that is misspelt, too: the key would have none."""
    response = signed_in(alice.user).post(KEYS, wrong, format="json")
    assert response.status_code == 422
    assert list(response.json()["errors"]) == [field]
    assert ApiKey.objects.get() == alice.key


def test_a_model_that_one_may_not_see_is_not_told(alice: Tenant) -> None:
    RegisteredModel.objects.filter(public_id="local").update(is_limited=True)
    response = signed_in(alice.user).post(KEYS, {"allowed_models": ["local"]}, format="json")
    assert code(response) == (422, "unknown_model")


def test_own_keys_are_listed_without_secrets(alice: Tenant, mallory: Tenant) -> None:
    response = signed_in(alice.user).get(KEYS)
    (shown,) = response.json()["api_keys"]
    assert (shown["id"], shown["name"], shown["last_used_at"]) == (alice.key.pk, "test", None)
    assert alice.secret not in response.content.decode()
    assert alice.key.digest not in response.content.decode()


def test_a_revoked_key_opens_nothing_from_the_next_request_on(alice: Tenant) -> None:
    me = signed_in(alice.user)
    assert alice.client.get("/api/v2/tasks").status_code == 200
    assert me.delete(f"{KEYS}/{alice.key.pk}").status_code == 204
    assert code(alice.client.get("/api/v2/tasks")) == (401, "invalid_key")
    assert me.get(KEYS).json() == {"api_keys": []}
    assert code(me.delete(f"{KEYS}/{alice.key.pk}")) == (404, "key_not_found")


def test_a_key_is_rotated(alice: Tenant) -> None:
    response = signed_in(alice.user).post(f"{KEYS}/{alice.key.pk}/rotate", {"overlap": 60}, format="json")
    body = response.json()
    assert (response.status_code, response["Cache-Control"]) == (200, "no-store")
    assert body["previous_until"] == pytest.approx(timezone.now().timestamp() + 60, abs=30)
    for secret in (alice.secret, body["api_key"]):
        assert bearer(secret).get("/api/v2/tasks").status_code == 200
    signed_in(alice.user).post(f"{KEYS}/{alice.key.pk}/rotate", {"overlap": 0}, format="json")
    assert code(bearer(body["api_key"]).get("/api/v2/tasks")) == (401, "invalid_key")


@pytest.mark.parametrize("overlap", [-1, 10**9, "nan", "long", None, [1]])
def test_an_overlap_that_is_none_changes_nothing(alice: Tenant, overlap: Any) -> None:
    response = signed_in(alice.user).post(f"{KEYS}/{alice.key.pk}/rotate", {"overlap": overlap}, format="json")
    assert response.status_code == 422
    assert keys.find(alice.secret) == alice.key


def test_a_strangers_key_is_none(alice: Tenant, mallory: Tenant) -> None:
    stranger = signed_in(mallory.user)
    assert code(stranger.delete(f"{KEYS}/{alice.key.pk}")) == (404, "key_not_found")
    assert code(stranger.post(f"{KEYS}/{alice.key.pk}/rotate")) == (404, "key_not_found")
    assert keys.find(alice.secret) == alice.key


@pytest.mark.parametrize("name", ["0", "999999999999999999", "abc", "-1", "1" * 30])
def test_what_is_no_key_is_not_found(alice: Tenant, name: str) -> None:
    assert signed_in(alice.user).delete(f"{KEYS}/{name}").status_code == 404


def test_keys_have_a_bound(alice: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processing.api.api_keys.MAX_KEYS", 2)
    me = signed_in(alice.user)
    assert me.post(KEYS).status_code == 200
    assert code(me.post(KEYS)) == (422, "too_many_keys")
    me.delete(f"{KEYS}/{alice.key.pk}")
    assert me.post(KEYS).status_code == 200


def test_who_did_it_is_in_the_audit_trail(alice: Tenant) -> None:
    me = signed_in(alice.user)
    made = me.post(KEYS, {"name": "scanner"}, format="json", HTTP_X_REQUEST_ID="r-1").json()
    me.delete(f"{KEYS}/{made['id']}")
    entries = AuditEntry.objects.filter(target_id=str(made["id"])).order_by("id")
    assert [(each.door, each.action, each.actor_name) for each in entries] == [
        ("api", "created", "alice"),
        ("api", "revoked", "alice"),
    ]
    assert entries[0].request_id == "r-1"
    assert made["api_key"] not in str([vars(each) for each in entries])


# --- Nobody but who has signed in


@pytest.mark.parametrize("scopes", [[], ["admin"]])
@pytest.mark.parametrize(("method", "path"), [("post", ""), ("get", ""), ("delete", "/{}"), ("post", "/{}/rotate")])
def test_a_key_makes_no_key_and_changes_none(alice: Tenant, scopes: list[str], method: str, path: str) -> None:
    User.objects.filter(pk=alice.user.pk).update(is_superuser=True, is_staff=True)
    other = bearer(keys.mint(alice.user, "other", scopes)[1])
    response = getattr(other, method)(KEYS + path.format(alice.key.pk))
    assert code(response) == (403, "sign_in_required")
    assert ApiKey.objects.filter(revoked_at=None).count() == 2
    assert keys.find(alice.secret) == alice.key


def test_a_stranger_makes_no_key() -> None:
    assert code(APIClient().post(KEYS)) == (401, "not_authenticated")


def test_a_browser_makes_a_key_with_csrf_alone(alice: Tenant) -> None:
    browser = APIClient(enforce_csrf_checks=True)
    browser.force_login(alice.user)
    assert browser.post(KEYS).status_code == 403
    browser.get("/admin/login/")
    browser.credentials(HTTP_X_CSRFTOKEN=browser.cookies["csrftoken"].value)
    assert browser.post(KEYS).json()["api_key"].startswith("sk-")


def test_an_administrators_key_without_the_scope_changes_nothing(alice: Tenant) -> None:
    User.objects.filter(pk=alice.user.pk).update(is_superuser=True)
    change = {"api_v2": {"max_concurrent": 3}}
    assert code(alice.client.post("/admin/config", change, format="json")) == (403, "admin_required")
    scoped = bearer(keys.mint(alice.user, "admin", ["admin"])[1])
    assert scoped.post("/admin/config", change, format="json").status_code == 200


# --- Where a key may be used


@pytest.mark.parametrize("spelling", ["/api/v2/tasks", "/api/v2/tasks/", "//api/v2/tasks", "///api/v2/tasks/"])
def test_a_spelling_opens_and_closes_nothing(alice: Tenant, spelling: str) -> None:
    asked = {"PATH_INFO": spelling}  # of an address that begins with two slashes, the client makes a host
    assert restricted(alice, endpoints=["/api/v2/tasks"]).get("/", **asked).status_code == 200
    assert code(restricted(alice, endpoints=["/api/v2/status"]).get("/", **asked)) == (403, "endpoint_not_allowed")


@pytest.mark.parametrize(
    "path", ["/api/v2/%74asks", "/api/v2/process/../tasks", "/API/v2/tasks", "/api/v2//tasks", "/api/v2/tasks;/x"]
)
def test_no_spelling_of_another_endpoint_passes(alice: Tenant, path: str) -> None:
    """Where it is resolved, it is refused; where it is not, there is nothing."""
    assert restricted(alice, endpoints=["/api/v2/process"]).get(path).status_code in (403, 404)


def test_an_endpoint_is_for_what_is_below_it_and_not_beside_it(alice: Tenant) -> None:
    limited = restricted(alice, endpoints=["/api/v2/status", "/api/v2/upload"])
    assert code(limited.get(f"/api/v2/status/{TASK}")) == (404, "task_not_found")
    assert code(limited.get(f"/api/v2/tasks/{TASK}")) == (403, "endpoint_not_allowed")
    assert code(limited.post("/api/v2/process")) == (403, "endpoint_not_allowed")
    assert code(limited.get("/api/v2/models")) == (403, "endpoint_not_allowed")


def test_with_the_guides_value_a_key_cannot_cancel_and_a_token_can(alice: Tenant, settings: Any) -> None:
    settings.API_KEY_ALLOWED_ENDPOINTS = GUIDE
    assert code(alice.client.get(f"/api/v2/status/{TASK}")) == (404, "task_not_found")
    assert alice.client.get("/api/v2/models").status_code == 200
    assert alice.client.get("/api/v2/config").status_code == 200
    assert code(alice.client.delete(f"/api/v2/tasks/{TASK}")) == (403, "endpoint_not_allowed")
    assert code(signed_in(alice.user).delete(f"/api/v2/tasks/{TASK}")) == (404, "task_not_found")


def test_a_key_is_never_allowed_more_than_the_service_allows(alice: Tenant, settings: Any) -> None:
    limited = restricted(alice, endpoints=["/api/v2/tasks", "/api/v2/status"])
    settings.API_KEY_ALLOWED_ENDPOINTS = ("/api/v2/status",)
    assert code(limited.get("/api/v2/tasks")) == (403, "endpoint_not_allowed")
    assert code(limited.get(f"/api/v2/status/{TASK}")) == (404, "task_not_found")


@pytest.mark.parametrize(
    ("peer", "forwarded", "proxies", "expected"),
    [
        ("192.0.2.7", "", 0, 200),
        ("2001:db8::7", "", 0, 200),
        ("198.51.100.1", "", 0, 403),
        ("198.51.100.1", "192.0.2.7", 0, 403),
        ("198.51.100.1", "192.0.2.7", 1, 200),
        ("192.0.2.7", "198.51.100.1", 1, 403),
        ("", "", 0, 403),
    ],
)
def test_a_key_is_used_from_its_networks_alone(
    alice: Tenant, settings: Any, peer: str, forwarded: str, proxies: int, expected: int
) -> None:
    settings.NUM_PROXIES = proxies
    limited = restricted(alice, networks=["192.0.2.0/24", "2001:db8::/32"])
    response = limited.get("/api/v2/tasks", REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=forwarded)
    assert response.status_code == expected
    if expected == 403:
        assert response.json()["code"] == "address_not_allowed"


def test_while_keys_are_switched_off_tokens_and_sessions_work(alice: Tenant, settings: Any) -> None:
    me = signed_in(alice.user)
    settings.ENABLE_API_KEY = False
    for secret in (alice.secret, "sk-unknown"):
        response = bearer(secret).get("/api/v2/tasks")
        assert code(response) == (403, "api_keys_disabled")
        assert "sign in" in response.json()["detail"]
    assert me.get("/api/v2/tasks").status_code == 200
    browser = APIClient()
    browser.force_login(alice.user)
    assert browser.get("/api/v2/tasks").status_code == 200
    assert code(me.post(KEYS)) == (403, "api_keys_disabled")
    assert me.get(KEYS).status_code == 200
    assert me.delete(f"{KEYS}/{alice.key.pk}").status_code == 204


def test_limits_cost_no_query(alice: Tenant, settings: Any, django_assert_num_queries: Any) -> None:
    settings.API_KEY_ALLOWED_ENDPOINTS = GUIDE
    limited = restricted(alice, endpoints=["/api/v2/status"], networks=["127.0.0.0/8"])
    limited.get(f"/api/v2/status/{TASK}")
    with django_assert_num_queries(2):
        limited.get(f"/api/v2/status/{TASK}")


def test_a_rotated_key_keeps_its_limits(alice: Tenant) -> None:
    key, _ = keys.mint(alice.user, "limited", [], Restrictions(endpoints=["/api/v2/status"]))
    other = bearer(keys.rotate(key, by=Actor("command")))
    assert code(other.get("/api/v2/tasks")) == (403, "endpoint_not_allowed")
