"""The API describes itself, whole, and its documentation needs nothing from elsewhere."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.urls import reverse
from rest_framework.test import APIClient

pytestmark = pytest.mark.django_db

VERBS = {
    "/api/v2/process": {"post", "put"},
    "/api/v2/upload": {"post"},
    "/api/v2/status/{task_id}": {"get"},
    "/api/v2/tasks": {"get"},
    "/api/v2/tasks/{task_id}": {"get", "delete"},
    "/api/v2/tasks/{task_id}/retry": {"post"},
    "/api/v2/tasks/{task_id}/events": {"get"},
    "/api/v2/batches": {"get", "post"},
    "/api/v2/batches/{batch_id}": {"get", "delete"},
    "/api/v2/batches/{batch_id}/results": {"get"},
    "/api/v2/models": {"get"},
    "/api/v2/config": {"get"},
    "/api/v2/health": {"get"},
    "/api/version": {"get"},
    "/api/v2/tasks/{task_id}/pages/{number}.png": {"get"},
    "/api/v2/tasks/{task_id}/pages/{number}.json": {"get"},
    "/admin/config": {"get", "post"},
    "/api/v1/auths": {"get"},
    "/api/v1/auths/signin": {"post"},
    "/api/v1/auths/signout": {"post"},
    "/api/v1/auths/api_key": {"get", "post"},
    "/api/v1/auths/api_key/{key_id}": {"delete"},
    "/api/v1/auths/api_key/{key_id}/rotate": {"post"},
    "/admin/config/export": {"get"},
    "/admin/config/import": {"post"},
    "/admin/config/revisions": {"get"},
    "/admin/config/revisions/{revision}": {"get"},
    "/admin/config/revisions/{revision}/restore": {"post"},
    "/api/v2/usage": {"get"},
    "/api/v2/webhooks": {"get", "post"},
    "/api/v2/webhooks/{webhook_id}": {"get", "delete"},
    "/api/v2/webhooks/{webhook_id}/rotate": {"post"},
    "/api/v2/webhooks/{webhook_id}/test": {"post"},
    "/api/v2/webhooks/{webhook_id}/enable": {"post"},
    "/api/v2/webhooks/{webhook_id}/deliveries": {"get"},
    "/api/v2/webhooks/signing_secret": {"post"},
    "/v1/convert/file": {"post"},
    "/v1/convert/file/async": {"post"},
    "/v1/convert/source": {"post"},
    "/v1/convert/source/async": {"post"},
    "/v1/status/poll/{task_id}": {"get"},
    "/v1/result/{task_id}": {"get"},
    "/health": {"get"},
    "/ready": {"get"},
    "/version": {"get"},
    "/admin/budgets": {"get", "post"},
    "/admin/budgets/{budget_id}": {"get", "patch", "delete"},
}


@pytest.fixture(scope="module")
def description(django_db_setup: None, django_db_blocker: Any) -> dict[str, Any]:
    with django_db_blocker.unblock():
        response = APIClient().get("/api/v2/openapi.json")
    assert response.status_code == 200
    body: dict[str, Any] = response.json()
    return body


def test_it_works(description: dict[str, Any]) -> None:
    assert description["openapi"].startswith("3.1")
    assert description["info"]["version"] == "2.0.0"


@pytest.mark.parametrize("path", VERBS)
def test_every_endpoint_is_described(description: dict[str, Any], path: str) -> None:
    described = description["paths"][path]
    assert set(described) >= VERBS[path]
    for verb in VERBS[path]:
        assert described[verb]["operationId"]
        assert any(status.startswith("2") for status in described[verb]["responses"])


def test_each_way_in_is_described(description: dict[str, Any]) -> None:
    schemes = description["components"]["securitySchemes"]
    assert {name: (each["type"], each.get("bearerFormat")) for name, each in schemes.items()} == {
        "ApiKey": ("http", None),
        "HeaderKey": ("apiKey", None),
        "Token": ("http", "JWT"),
        "BrowserSession": ("apiKey", None),
        "HeaderSession": ("apiKey", None),
    }
    ways = [set(each) for each in description["paths"]["/api/v2/process"]["post"]["security"]]
    assert ways == [{"ApiKey"}, {"Token"}, {"BrowserSession"}]
    ways = [set(each) for each in description["paths"]["/v1/convert/file"]["post"]["security"]]
    assert ways == [{"HeaderKey"}, {"ApiKey"}, {"Token"}, {"BrowserSession"}]
    assert not any(description["paths"]["/api/v1/auths/signin"]["post"].get("security", []))


def test_every_reference_leads_somewhere(description: dict[str, Any]) -> None:
    headers = set(re.findall(r"'\$ref': '#/components/headers/([^']+)'", str(description)))
    assert headers == set(description["components"]["headers"])
    names = set(re.findall(r"'\$ref': '#/components/schemas/([^']+)'", str(description)))
    assert names
    assert names <= set(description["components"]["schemas"])


def test_what_refuses_unknown_fields_says_so(description: dict[str, Any]) -> None:
    schemas = description["components"]["schemas"]
    strict = {name for name, schema in schemas.items() if schema.get("additionalProperties") is False}
    asked = ("KeyRequest", "Rotation", "WebhookRequest", "SecretRotation", "NewBudget", "PatchedBudgetChange")
    assert {f"{name}Request" for name in asked} <= strict
    assert "Task" not in strict


def test_limited_replies_say_how_the_limits_stand(description: dict[str, Any]) -> None:
    unlimited = {"/api/v2/health", "/health", "/ready"}
    for path, item in description["paths"].items():
        for operation in item.values():
            assert path in unlimited or {"429", "4XX"} & set(operation["responses"])
            for response in operation["responses"].values():
                assert ("RateLimit" in response.get("headers", {})) == (path not in unlimited)


def test_the_documentation_loads_nothing_from_elsewhere() -> None:
    page = APIClient().get("/api/v2/docs")
    assert page.status_code == 200
    loaded = re.findall(r"""(?:src|href|url)\s*[=:]\s*["']([^"']+)["']""", page.content.decode())
    assert loaded
    assert not [address for address in loaded if re.match(r"(https?:)?//", address)]


@pytest.mark.parametrize("path", ["/api/v2/docs", "/api/v2/openapi.json"])
def test_a_slash_at_the_end_changes_nothing(path: str) -> None:
    assert APIClient().get(path + "/").status_code == 200
    assert reverse(path.rpartition("/")[2].partition(".")[0]) == path
