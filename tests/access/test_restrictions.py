"""What a key is limited to: endpoints by whole segments, networks of either kind."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.checks import run_checks
from django.urls import resolve
from django.utils import timezone

from apiv2project import environment
from processing.access import endpoints, networks
from processing.access.restrictions import Restrictions
from processing.errors import InvalidInput

GUIDE = ["/api/v2/process", "/api/v2/status", "/api/v2/models", "/api/v2/health", "/api/v2/config"]
TASK = "0b3f6f0e-2b1f-4c8f-9c61-6d4f0b8f6f10"


def allowed(entries: list[str], path: str) -> bool:
    return endpoints.allows(entries, resolve(path).route)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/v2/process", True),
        ("/api/v2/process/", True),
        (f"/api/v2/status/{TASK}", True),
        (f"/api/v2/status/{TASK}/", True),
        ("/api/v2/models", True),
        ("/api/v2/tasks", False),
        (f"/api/v2/tasks/{TASK}", False),
        ("/api/v2/upload", False),
        ("/admin/config", False),
        ("/api/v1/models", False),
    ],
)
def test_the_guides_value(path: str, expected: bool) -> None:
    """With it, a key submits and asks, and does not cancel."""
    assert allowed(GUIDE, path) is expected


@pytest.mark.parametrize(
    ("entry", "path", "expected"),
    [
        ("/api/v2/tasks/", "/api/v2/tasks", True),
        ("//api//v2/tasks", "/api/v2/tasks", True),
        ("/api/v2/task", "/api/v2/tasks", False),
        ("/api/v2/tasks/{task_id}", f"/api/v2/tasks/{TASK}", True),
        ("/api/v2/tasks/<id>", f"/api/v2/tasks/{TASK}", True),
        ("/api/v2/tasks/{task_id}", "/api/v2/tasks", False),
        ("/api", "/api/v2/tasks", True),
        ("/", "/admin/config", True),
        ("/API/v2/tasks", "/api/v2/tasks", False),
    ],
)
def test_whole_segments_count(entry: str, path: str, expected: bool) -> None:
    assert allowed([entry], path) is expected


def test_a_setting_that_names_no_endpoint_is_told(settings: object) -> None:
    settings.API_KEY_ALLOWED_ENDPOINTS = ("/api/v2/process", "/api/v2/proces")
    told = [warning.msg for warning in run_checks() if warning.id == "processing.W021"]
    assert len(told) == 1
    assert "/api/v2/proces," in told[0]


@pytest.mark.parametrize("value", ["api/v2/process", "/api/v2/process;/api", "https://host/api/v2", "/api/v2/.*"])
def test_a_setting_that_is_no_path_stops_the_start(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        environment.read({"API_KEY_ALLOWED_ENDPOINTS": value})
    assert "API_KEY_ALLOWED_ENDPOINTS" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.7", True),
        ("192.0.3.7", False),
        ("::ffff:192.0.2.7", True),
        ("2001:db8::7", True),
        ("2001:db8::7%eth0", True),
        ("2001:db9::7", False),
        ("", False),
        ("unknown", False),
    ],
)
def test_networks_of_either_kind(address: str, expected: bool) -> None:
    assert networks.holds(["192.0.2.0/24", "2001:db8::/32"], address) is expected


def test_a_network_within_ipv6_is_the_ipv4_one() -> None:
    assert str(networks.network("::ffff:192.0.2.0/120")) == "192.0.2.0/24"


@pytest.mark.django_db
def test_restrictions_are_kept_in_one_spelling() -> None:
    checked = Restrictions(
        endpoints=["/api/v2/status/", "//api/v2/status"], networks=["192.0.2.7/24", "192.0.2.7"]
    ).checked()
    assert checked.endpoints == ("/api/v2/status",)
    assert checked.networks == ("192.0.2.0/24", "192.0.2.7/32")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (Restrictions(expires_at=timezone.now() - timedelta(seconds=1)), "expires_at"),
        (Restrictions(endpoints=["/api/v2/nothing"]), "allowed_endpoints"),
        (Restrictions(endpoints=["api/v2/process"]), "allowed_endpoints"),
        (Restrictions(networks=["192.0.2.0/33"]), "allowed_networks"),
        (Restrictions(networks=["everywhere"]), "allowed_networks"),
        (Restrictions(networks=["192.0.2.1"] * 101), "allowed_networks"),
        (Restrictions(models=["no-such-model"]), "allowed_models"),
    ],
)
def test_a_restriction_that_makes_no_sense_is_named(wrong: Restrictions, field: str) -> None:
    with pytest.raises(InvalidInput) as error:
        wrong.checked()
    assert list(error.value.errors or {}) == [field]
