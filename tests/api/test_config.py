"""What clients are told of the configuration."""

from __future__ import annotations

import pytest
from pytest_django import Settings
from rest_framework.test import APIClient

from processing.runtime import configuration
from tests.conftest import Tenant

URL = "/api/v2/config"
pytestmark = pytest.mark.django_db


def test_it_works() -> None:
    response = APIClient().get(URL)
    assert response.status_code == 200
    body = response.json()
    assert set(body) == {
        "enabled",
        "max_file_size",
        "max_concurrent",
        "timeout",
        "admin_model",
        "supported_formats",
        "blocked_extensions",
        "features",
        "rate_limits",
        "limits",
        "default_parameters",
    }
    assert body["enabled"] is True
    assert body["max_file_size"] == 52_428_800
    assert body["timeout"] == 300
    assert body["max_concurrent"] >= 1
    assert {"pdf", "docx", "webp"} <= set(body["supported_formats"])
    assert body["features"]["vision"] is True
    assert body["rate_limits"] == {
        "per_minute": 50,
        "per_hour": 1000,
        "per_day": 10_000,
        "uploads_per_minute": 10,
        "batch_files_per_minute": 1000,
        "status_per_minute": 600,
        "anonymous_per_minute": 600,
    }
    assert body["limits"]["max_prompt_length"] == 4000
    assert body["default_parameters"]["temperature"] == 0.7


def test_it_tells_what_is_in_force() -> None:
    configuration.change(
        {"max_concurrent": 8, "max_file_size_mb": 5, "enable_vision": False, "enabled": False}, author=None
    )
    body = APIClient().get(URL).json()
    assert (body["max_concurrent"], body["max_file_size"], body["enabled"]) == (8, 5 * 1024 * 1024, False)
    assert body["limits"]["max_file_size_mb"] == 5
    assert body["features"]["vision"] is False


def test_an_operator_can_close_it(settings: Settings, alice: Tenant) -> None:
    settings.API_V2_PUBLIC_ENDPOINTS = frozenset({"health"})
    assert APIClient().get(URL).status_code == 401
    assert alice.client.get(URL).status_code == 200


def test_a_wrong_key_is_told_so() -> None:
    assert APIClient().get(URL, headers={"Authorization": "Bearer sk-wrong"}).status_code == 401


def test_it_is_only_read(alice: Tenant) -> None:
    assert alice.client.post(URL, {}, format="json").status_code == 405
