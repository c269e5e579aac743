"""Health is told to anybody: 200 while the service serves, 503 while it does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from modelsregistry.provisioning import provision
from processing.operations import health
from processing.queue.models import WorkerHost
from processing.runtime import configuration
from processing.runtime.capacity import MemoryUsage

URL = "/api/v2/health"
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def working(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(health, "PATIENCE", 20.0)
    monkeypatch.setattr(health, "memory_usage", lambda: MemoryUsage(50.0, 500.0, 1000.0))
    provision({})
    now = timezone.now()
    WorkerHost.objects.create(host="one", pid=1, workers=2, max_concurrent=2, started_at=now, heartbeat_at=now)
    health.forget()
    yield
    health.forget()


def get(**headers: str) -> Any:
    return APIClient().get(URL, headers=headers)


def test_it_works() -> None:
    response = get()
    assert response.status_code == 200
    body = response.json()
    assert body["status"] == "healthy"
    assert body["version"] == "2.0.0"
    assert isinstance(body["timestamp"], float)
    assert body["services"] == dict.fromkeys(("database", "storage", "models", "workers", "api_v2"), "healthy")
    assert body["memory_usage"] == {"used_percent": 50.0, "available_mb": 500.0, "total_mb": 1000.0}
    assert (body["active_tasks"], body["queue_length"]) == (0, 0)
    assert body["max_concurrent"] >= 1
    assert response["Cache-Control"] == "no-store"
    assert response["X-Request-ID"]


def test_switched_off_is_503() -> None:
    configuration.change({"enabled": False}, author=None)
    response = get()
    assert response.status_code == 503
    assert (response.json()["status"], response.json()["services"]["api_v2"]) == ("unhealthy", "disabled")


def test_degraded_is_200() -> None:
    WorkerHost.objects.all().delete()
    response = get()
    assert (response.status_code, response.json()["status"]) == (200, "degraded")


def test_it_is_public_whatever_is_closed(settings: Settings) -> None:
    settings.API_V2_PUBLIC_ENDPOINTS = frozenset()
    assert get().status_code == 200
    assert get(Authorization="Bearer sk-wrong").status_code == 200


def test_the_request_itself_asks_no_database(django_assert_num_queries: Any) -> None:
    """The probes ask from threads of their own: a database that hangs does not hold the request."""
    with django_assert_num_queries(0):
        assert get().status_code == 200


def test_it_is_only_read() -> None:
    assert APIClient().post(URL).status_code == 405
    assert APIClient().head(URL).status_code == 200


def test_a_process_lives_whatever_it_depends_on(monkeypatch: pytest.MonkeyPatch) -> None:
    configuration.change({"enabled": False}, author=None)
    monkeypatch.setattr(health, "report", None)  # it is not asked
    response = APIClient().get("/livez")
    assert (response.status_code, response.json()) == (200, {"status": "alive"})
    assert response["Cache-Control"] == "no-store"


def test_requests_are_sent_where_it_is_ready() -> None:
    response = APIClient().get("/readyz")
    assert (response.status_code, response.json()) == (200, {"status": "ready"})
    configuration.change({"enabled": False}, author=None)
    health.forget()
    response = APIClient().get("/readyz")
    assert (response.status_code, response.json()["code"]) == (503, "not_ready")
    assert response.json()["detail"] == "API v2 is switched off."
