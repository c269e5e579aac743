"""Administrators register models; nobody else does."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from rest_framework.test import APIClient

from modelsregistry.models import Provider, RegisteredModel
from modelsregistry.provisioning import provision
from tests.conftest import Tenant, tenant
from tests.modelsregistry import stand_in

URL = "/admin/models"
GUIDE = {"id": "gpt-4-vision-preview", "name": "GPT-4 Vision Preview", "meta": {"vision": True, "max_tokens": 4096}}
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def built_in() -> None:
    provision({})


@pytest.fixture
def admin() -> Tenant:
    """A user with the permissions, and a key with the scope."""
    found = tenant("admin")
    found.user.user_permissions.set(Permission.objects.filter(content_type__model="registeredmodel"))
    found.key.scopes = ["admin"]
    found.key.save()
    return found


def provider(name: str = "OpenAI") -> Provider:
    return Provider.objects.create(name=name, kind="openai_compatible", base_url="http://127.0.0.1:9/v1")


def post(who: Tenant, body: Any) -> Any:
    return who.client.post(URL, body, format="json")


def test_it_works(admin: Tenant) -> None:
    provider()
    response = post(admin, GUIDE)
    assert response.status_code == 201
    body = response.json()
    assert (body["id"], body["name"], body["provider"]) == ("gpt-4-vision-preview", "GPT-4 Vision Preview", "OpenAI")
    assert (body["meta"]["vision"], body["meta"]["max_tokens"]) == (True, 4096)
    listed = admin.client.get("/api/v1/models").json()["models"]
    assert body in listed
    assert admin.client.get(URL).json()["models"] == listed
    offered = APIClient().get("/api/v2/models").json()
    assert "gpt-4-vision-preview" in offered["vision_models"]


def test_registering_again_changes_what_is_given(admin: Tenant) -> None:
    provider()
    post(admin, GUIDE)
    RegisteredModel.objects.filter(public_id=GUIDE["id"]).update(temperature=0.3, available=False, reason="Not listed.")
    response = post(admin, {"id": GUIDE["id"], "upstream_id": "gpt-4o", "meta": {"max_tokens": 16_384}})
    assert response.status_code == 200
    body = response.json()
    assert (body["name"], body["upstream_id"], body["temperature"]) == (GUIDE["name"], "gpt-4o", 0.3)
    assert (body["meta"]["vision"], body["meta"]["max_tokens"]) == (True, 16_384)
    assert (body["available"], body["reason"]) == (True, "")


def test_with_several_providers_one_must_be_named(admin: Tenant) -> None:
    provider("One")
    provider("Two")
    response = post(admin, GUIDE)
    assert (response.status_code, response.json()["code"]) == (422, "provider_required")
    assert "One, Two" in response.json()["detail"]
    assert post(admin, {**GUIDE, "provider": "two"}).json()["provider"] == "Two"
    assert post(admin, GUIDE).status_code == 200  # it has one now


def test_without_a_provider_there_is_nothing_to_register_at(admin: Tenant) -> None:
    response = post(admin, GUIDE)
    assert (response.status_code, response.json()["code"]) == (422, "provider_required")
    assert post(admin, {**GUIDE, "provider": "none"}).json()["code"] == "unknown_provider"
    assert not RegisteredModel.objects.filter(public_id=GUIDE["id"]).exists()


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ({"name": "No id"}, "id"),
        ({"id": ""}, "id"),
        ({"id": "two words"}, "id"),
        ({"id": "a,b"}, "id"),
        ({"id": "nul\0"}, "id"),
        ({"id": "x" * 201}, "id"),
        ({"id": "x", "meta": {"max_tokens": 0}}, "meta"),
        ({"id": "x", "meta": {"max_tokens": 10**30}}, "meta"),
        ({"id": "x", "meta": {"vision": "perhaps"}}, "meta"),
        ({"id": "x", "meta": 5}, "meta"),
        ({"id": "x", "name": "n" * 201}, "name"),
        ({"id": "x", "prices": {"input": -1}}, "prices"),
        ({"id": "x", "prices": {"output": "much"}}, "prices"),
        ({"id": "x", "prices": {"output": 1e9}}, "prices"),
        ({"id": "x", "refused_fields": ["model"]}, "refused_fields"),
        ({"id": "x", "fallbacks": "local"}, "fallbacks"),
        ({"id": "x", "fallbacks": [{}]}, "fallbacks"),
        ({"id": "x", "allowed_users": 5}, "allowed_users"),
        ({"id": "x", "temperature": 3}, "temperature"),
        ({"id": "x", "max_tokens": 0}, "max_tokens"),
        ({"id": "x", "timeout": 0}, "timeout"),
        ([1], "non_field_errors"),
    ],
)
def test_bad_input_is_named(admin: Tenant, body: Any, key: str) -> None:
    provider()
    response = post(admin, body)
    assert response.status_code == 422
    assert key in response.json()["errors"]
    assert RegisteredModel.objects.count() == 1


def test_half_of_a_surrogate_pair_is_no_id(admin: Tenant) -> None:
    response = admin.client.post(URL, rb'{"id": "half\ud800"}', content_type="application/json")
    assert response.status_code == 422


def test_nobody_is_asked_for_a_key() -> None:
    for path in (URL, "/api/v1/models"):
        assert APIClient().get(path).status_code == 401
        assert APIClient().post(path, GUIDE, format="json").status_code == 401


def test_a_stranger_is_refused(mallory: Tenant) -> None:
    provider()
    assert post(mallory, GUIDE).status_code == 403
    assert mallory.client.get("/api/v1/models").status_code == 403
    assert RegisteredModel.objects.count() == 1


def test_who_may_only_add_does_not_change(admin: Tenant) -> None:
    provider()
    post(admin, GUIDE)
    admin.user.user_permissions.remove(Permission.objects.get(codename="change_registeredmodel"))
    assert post(admin, {**GUIDE, "name": "Another"}).status_code == 403
    assert post(admin, {**GUIDE, "id": "another"}).status_code == 201


def test_secrets_of_providers_stay_where_they_are(admin: Tenant) -> None:
    found = provider()
    found.secret = "sk-canary"
    found.save()
    assert b"canary" not in post(admin, GUIDE).content + admin.client.get(URL).content


WHOLE = {
    "id": "org/whole:7b",
    "name": "Whole",
    "upstream_id": "whole-7b",
    "meta": {
        "vision": True,
        "native_pdf": True,
        "structured_output": True,
        "max_tokens": 4096,
        "context_length": 32_768,
        "description": "All of it.",
    },
    "prices": {"input": 2.5, "cached_input": 1.25, "output": 10.0},
    "temperature": 0.1,
    "max_tokens": 1000,
    "timeout": 60.0,
    "refused_fields": ["temperature"],
    "fallbacks": ["local"],
    "allowed_users": ["admin"],
    "allowed_groups": ["lawyers"],
}


@pytest.fixture
def whole(admin: Tenant) -> str:
    """The address of a model of which all is set."""
    Group.objects.create(name="lawyers")
    provider()
    assert post(admin, WHOLE).status_code == 201
    return f"{URL}/{WHOLE['id']}"


def test_all_that_can_be_set_comes_back(admin: Tenant, whole: str) -> None:
    body = admin.client.get(whole).json()
    assert {name: body[name] for name in WHOLE} == WHOLE
    row = RegisteredModel.objects.get(public_id=WHOLE["id"])
    assert (row.input_price, row.cached_input_price, row.output_price) == (Decimal("2.5"), Decimal("1.25"), Decimal(10))


def test_a_change_leaves_the_rest_alone(admin: Tenant, whole: str) -> None:
    RegisteredModel.objects.filter(public_id=WHOLE["id"]).update(
        available=False, reason="Its provider does not answer."
    )
    change: dict[str, Any] = {
        "prices": {"cached_input": None},
        "temperature": None,
        "allowed_users": [],
        "enabled": False,
    }
    response = admin.client.patch(whole, change, format="json")
    assert response.status_code == 200
    body = response.json()
    assert body["prices"] == {"input": 2.5, "cached_input": None, "output": 10.0}
    assert (body["temperature"], body["allowed_users"], body["enabled"]) == (None, [], False)
    untouched = ("name", "meta", "max_tokens", "fallbacks", "allowed_groups", "refused_fields")
    assert all(body[name] == WHOLE[name] for name in untouched)
    assert (body["available"], body["reason"]) == (False, "Its provider does not answer.")
    assert admin.client.patch(whole, {"upstream_id": "other"}, format="json").json()["available"] is True


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"fallbacks": ["none-such"]}, "unknown_model"),
        ({"fallbacks": [WHOLE["id"]]}, "fallback_repeated"),
        ({"fallbacks": ["local", "local"]}, "fallback_repeated"),
        ({"allowed_users": ["nobody"]}, "unknown_user"),
        ({"allowed_groups": ["nowhere"]}, "unknown_group"),
        ({"provider": "nowhere"}, "unknown_provider"),
    ],
)
def test_what_does_not_exist_is_named_and_nothing_changes(
    admin: Tenant, whole: str, change: dict[str, Any], code: str
) -> None:
    response = admin.client.patch(whole, {**change, "name": "New"}, format="json")
    assert (response.status_code, response.json()["code"]) == (422, code)
    assert admin.client.get(whole).json()["name"] == "Whole"


def test_a_model_can_be_deleted(admin: Tenant, whole: str) -> None:
    assert admin.client.delete(whole).status_code == 204
    for call in (admin.client.get, admin.client.delete, admin.client.patch):
        gone = call(whole)
        assert (gone.status_code, gone.json()["code"]) == (404, "model_not_found")


def test_what_would_be_back_at_the_next_start_is_not_deleted(admin: Tenant) -> None:
    provision({"ANTHROPIC_API_KEY": "sk-1"})
    for name in ("local", "claude-3-opus"):
        refused = admin.client.delete(f"{URL}/{name}")
        assert (refused.status_code, refused.json()["code"]) == (422, "model_provisioned")
        assert RegisteredModel.objects.filter(public_id=name).exists()


def test_a_key_that_is_limited_to_a_model_is_not_set_free_by_its_end(admin: Tenant, whole: str, alice: Tenant) -> None:
    alice.key.allowed_models.add(RegisteredModel.objects.get(public_id=WHOLE["id"]))
    refused = admin.client.delete(whole)
    assert (refused.status_code, refused.json()["code"]) == (422, "model_limits_keys")
    assert alice.key.prefix in refused.json()["detail"]

    alice.key.allowed_models.add(RegisteredModel.objects.get(public_id="local"))
    assert admin.client.delete(whole).status_code == 204


@pytest.mark.parametrize("method", ["get", "patch", "delete"])
def test_one_model_too_is_for_administrators_alone(mallory: Tenant, whole: str, method: str) -> None:
    assert getattr(APIClient(), method)(whole).status_code == 401
    assert getattr(mallory.client, method)(whole).status_code == 403
    assert RegisteredModel.objects.filter(public_id=WHOLE["id"]).exists()


@pytest.mark.parametrize(("method", "needed"), [("patch", "change"), ("delete", "delete"), ("get", "view")])
def test_each_verb_needs_its_permission(admin: Tenant, whole: str, method: str, needed: str) -> None:
    admin.user.user_permissions.remove(Permission.objects.get(codename=f"{needed}_registeredmodel"))
    assert getattr(admin.client, method)(whole).status_code == 403


def test_a_key_without_the_scope_changes_nothing(admin: Tenant, whole: str) -> None:
    admin.key.scopes = []
    admin.key.save()
    assert admin.client.delete(whole).status_code == 403


def test_a_model_of_the_guide_is_completed_with_what_is_known(admin: Tenant) -> None:
    for name, kind, address in (
        ("OpenAI", "openai_compatible", "https://api.openai.com/v1"),
        ("Anthropic", "anthropic", "https://api.anthropic.com"),
    ):
        Provider.objects.create(name=name, kind=kind, base_url=address)
    guide = post(admin, GUIDE).json()
    assert (guide["provider"], guide["upstream_id"], guide["meta"]["max_tokens"]) == ("OpenAI", "gpt-4o", 4096)
    claude = post(admin, {"id": "claude-3-haiku"}).json()
    assert (claude["provider"], claude["upstream_id"]) == ("Anthropic", "claude-haiku-5-5")
    assert claude["refused_fields"] == ["temperature"]


def test_of_several_providers_the_one_that_lists_a_model_has_it(admin: Tenant) -> None:
    with stand_in.running() as upstream:
        upstream.script(stand_in.respond(200, {"data": [{"id": "house-model"}]}))
        provider("Away")
        Provider.objects.create(name="Here", kind="openai_compatible", base_url=upstream.url, allow_private=True)
        assert post(admin, {"id": "house-model"}).json()["provider"] == "Here"
        assert post(admin, {"id": "unheard-of"}).json()["code"] == "provider_required"
