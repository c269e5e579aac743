"""Administrators see and change the configuration; nobody else does."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from rest_framework.test import APIClient

from modelsregistry.models import RegisteredModel
from modelsregistry.provisioning import provision
from processing.runtime import configuration
from processing.runtime.models import ConfigurationRevision
from tests.conftest import Tenant, tenant

URL = "/admin/config"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def built_in() -> None:
    provision({})


@pytest.fixture
def admin() -> Tenant:
    """A user with the permissions, and a key with the scope."""
    found = tenant("admin")
    found.user.user_permissions.set(Permission.objects.filter(content_type__model="configurationrevision"))
    found.key.scopes = ["admin"]
    found.key.save()
    return found


def post(who: Tenant, body: Any, url: str = URL) -> Any:
    return who.client.post(url, body, format="json")


def test_it_works(admin: Tenant) -> None:
    response = post(admin, {"api_v2": {"max_concurrent": 8}, "reason": "more memory"})
    assert response.status_code == 200
    body = response.json()
    assert body["api_v2"]["max_concurrent"] == 8
    assert body["sources"]["max_concurrent"] == "stored"
    row = ConfigurationRevision.objects.get()
    assert (row.author, row.reason, body["revision"]) == (admin.user, "more memory", row.pk)
    assert admin.client.get(URL).json() == body
    assert APIClient().get("/api/v2/config").json()["max_concurrent"] == 8


def test_the_guides_calls(admin: Tenant) -> None:
    assert post(admin, {"api_v2": {"enabled": False}}).json()["api_v2"]["enabled"] is False
    assert (
        post(admin, {"api_v2": {"admin_model": "claude-3-haiku"}}).json()["api_v2"]["admin_model"] == "claude-3-haiku"
    )
    block = {
        "model_configs": {
            "gpt-4-vision": {"temperature": 0.7, "max_tokens": 8000, "timeout": 300},
            "claude-3-haiku": {"temperature": 0.5, "max_tokens": 4096, "timeout": 180},
        }
    }
    assert post(admin, block).json()["api_v2"]["model_configs"] == block["model_configs"]
    exported = admin.client.get("/api/v1/configs")
    assert exported.status_code == 200
    assert exported.json() == admin.client.get(URL).json()


@pytest.mark.parametrize(
    "block",
    [
        {"rate_limits": {"per_minute": 50, "per_hour": 1000, "per_day": 10000}},
        {
            "supported_formats": ["pdf", "docx", "txt", "md"],
            "blocked_extensions": [".exe", ".sh", ".bat", ".ps1"],
            "max_file_size_mb": 50,
        },
    ],
)
def test_the_guides_blocks_stand_beside_or_within(admin: Tenant, block: dict[str, Any]) -> None:
    for body in (block, {"api_v2": block}):
        changed = post(admin, body)
        assert changed.status_code == 200
        assert {name: changed.json()["sources"].get(name, "stored") for name in block} == dict.fromkeys(block, "stored")


def test_null_resets(admin: Tenant) -> None:
    post(admin, {"api_v2": {"timeout": 10}})
    body = post(admin, {"api_v2": {"timeout": None}}).json()
    assert (body["api_v2"]["timeout"], body["sources"]["timeout"]) == (300, "default")


def test_the_settings_of_a_registered_model_are_its_row(admin: Tenant) -> None:
    post(admin, {"model_configs": {"local": {"temperature": 0, "timeout": 60}}})
    local = RegisteredModel.objects.get(public_id="local")
    assert (local.temperature, local.timeout, local.max_tokens) == (0, 60, None)
    RegisteredModel.objects.update(timeout=77)  # as in the admin site
    body = post(admin, {"api_v2": {"model_configs": {"local": {"temperature": None}}}}).json()
    assert body["api_v2"]["model_configs"]["local"]["timeout"] == 77
    assert body["sources"]["model_configs.local.timeout"] == "registry"
    local.refresh_from_db()
    assert (local.temperature, local.timeout) == (None, 77)
    post(admin, {"model_configs": None})
    local.refresh_from_db()
    assert (local.temperature, local.timeout, local.max_tokens) == (None, None, None)


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ({"api_v2": {"max_concurrent": "eight"}}, "max_concurrent"),
        ({"api_v2": {"max_concurent": 8}}, "max_concurent"),
        ({"api_v2": {"temperature": 3}}, "temperature"),
        ({"api_v2": {"model_configs": {"local": {"temperature": "hot"}}}}, "model_configs.local.temperature"),
        ({"api_v2": {"model_configs": 5}}, "model_configs"),
        ({"model_configs": [1]}, "model_configs"),
        ({"model_configs": {"local": 5}}, "model_configs.local"),
        ({"api_v2": [1]}, "api_v2"),
        ({"api_v2": None}, "api_v2"),
        ({"api_v3": {}}, "api_v3"),
        ([1], "body"),
        ("text", "body"),
        ({"api_v2": {"timeout": 5}, "reason": 5}, "reason"),
        ({"api_v2": {"timeout": 5}, "reason": "nul\0"}, "reason"),
        ({"api_v2": {"timeout": 5}, "reason": "x" * 501}, "reason"),
        ({"api_v2": {"model_configs": {}}, "model_configs": {}}, "model_configs"),
        ({"api_v2": {"timeout": 5}, "timeout": 5}, "timeout"),
        ({"timeout": "5"}, "timeout"),
        ({"api_v2": {"timeout": 5, "temperature": -1}}, "temperature"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_applied(admin: Tenant, body: Any, key: str) -> None:
    response = post(admin, body)
    assert response.status_code == 422
    problem = response.json()
    assert (problem["code"], list(problem["errors"])) == ("invalid_parameter", [key])
    assert not ConfigurationRevision.objects.exists()
    local = RegisteredModel.objects.get(public_id="local")
    assert (local.temperature, local.timeout) == (None, None)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff",
        b"[" * 100_000,
        b'{"api_v2": {"temperature": 1e999}}',
        rb'{"api_v2": {"admin_model": "\ud800"}}',
        rb'{"\ud800": 1}',
    ],
)
def test_a_body_that_is_no_json_is_refused(admin: Tenant, body: bytes) -> None:
    response = admin.client.post(URL, body, content_type="application/json")
    assert response.status_code in (400, 422)
    assert not ConfigurationRevision.objects.exists()


def test_nobody_is_asked_for_a_key() -> None:
    assert APIClient().get(URL).status_code == 401
    assert APIClient().post(URL, {}, format="json").status_code == 401


def test_a_stranger_is_refused(mallory: Tenant) -> None:
    assert mallory.client.get(URL).status_code == 403
    assert post(mallory, {"api_v2": {"enabled": False}}).status_code == 403
    assert mallory.client.get("/api/v1/configs").status_code == 403
    assert configuration.current().parameters.enabled is True


def test_staff_alone_is_no_administrator() -> None:
    staff = tenant("staff", is_staff=True)
    staff.key.scopes = ["admin"]
    staff.key.save()
    assert post(staff, {"api_v2": {"enabled": False}}).status_code == 403


def test_a_key_without_the_scope_changes_nothing(admin: Tenant) -> None:
    admin.key.scopes = []
    admin.key.save()
    assert post(admin, {"api_v2": {"enabled": False}}).status_code == 403


def test_a_session_needs_its_csrf_token(admin: Tenant) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(admin.user)
    response = browser.post(URL, '{"api_v2": {"enabled": false}}', content_type="application/json")
    assert response.status_code == 403
    assert browser.get(URL).status_code == 200
