"""Administrators register models; nobody else does."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from rest_framework.test import APIClient

from modelsregistry.models import Provider, RegisteredModel
from modelsregistry.provisioning import provision
from tests.conftest import Tenant, tenant

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
