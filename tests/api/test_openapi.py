"""The API describes itself, whole, and its documentation needs nothing from elsewhere."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.urls import reverse
from rest_framework.test import APIClient

pytestmark = pytest.mark.django_db

VERBS = {
    "/api/v2/process": {"post"},
    "/api/v2/upload": {"post"},
    "/api/v2/status/{task_id}": {"get"},
    "/api/v2/tasks": {"get"},
    "/api/v2/tasks/{task_id}": {"get", "delete"},
    "/api/v2/tasks/{task_id}/retry": {"post"},
    "/api/v2/models": {"get"},
    "/api/v2/config": {"get"},
    "/api/v2/health": {"get"},
    "/api/version": {"get"},
    "/admin/config": {"get", "post"},
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


def test_every_reference_leads_somewhere(description: dict[str, Any]) -> None:
    names = set(re.findall(r"'\$ref': '#/components/schemas/([^']+)'", str(description)))
    assert names
    assert names <= set(description["components"]["schemas"])


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
