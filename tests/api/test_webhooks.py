"""Webhooks are registered by whom they concern: a key for itself, who has signed in for all that is theirs."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from rest_framework.test import APIClient

from processing.access.models import AuditEntry
from processing.delivery.webhooks import endpoints
from processing.delivery.webhooks.models import WebhookEndpoint
from tests.conftest import Tenant

pytestmark = pytest.mark.django_db
URL = "https://93.184.215.14/hook"
PATH = "/api/v2/webhooks"


def register(client: APIClient, **fields: Any) -> Any:
    return client.post(PATH, {"url": URL, **fields}, format="json")


def signed_in(tenant: Tenant) -> APIClient:
    client = APIClient()
    client.force_login(tenant.user)
    return client


def test_it_works(alice: Tenant) -> None:
    response = register(alice.client, events=["task.failed", "task.completed"], description="mine")
    body = response.json()
    assert response.status_code == 201
    assert response["Cache-Control"] == "no-store"
    assert body["secret"].startswith("whsec_")
    assert len(base64.b64decode(body["secret"].removeprefix("whsec_"), validate=True)) == 32
    secret = body.pop("secret")
    assert body == {
        "id": str(WebhookEndpoint.objects.get().pk),
        "url": URL,
        "events": ["task.completed", "task.failed"],
        "description": "mine",
        "api_key": alice.key.pk,
        "enabled": True,
        "disabled_because": None,
        "created_at": body["created_at"],
        "delivered_at": None,
        "failing_since": None,
        "previous_until": None,
    }
    one = alice.client.get(f"{PATH}/{body['id']}")
    assert one.json() == body
    assert alice.client.get(PATH).json() == {"webhooks": [body]}
    assert alice.client.delete(f"{PATH}/{body['id']}").status_code == 204
    assert alice.client.get(f"{PATH}/{body['id']}").json()["code"] == "webhook_not_found"
    entries = list(AuditEntry.objects.filter(target_kind="webhook").order_by("pk"))
    assert [(entry.action, entry.target_id) for entry in entries] == [("created", body["id"]), ("deleted", body["id"])]
    assert secret not in str([entry.changes for entry in entries])


def test_a_key_has_its_own_and_its_user_all(alice: Tenant) -> None:
    of_key = register(alice.client).json()["id"]
    of_user = register(signed_in(alice)).json()
    of_named = register(signed_in(alice), api_key=alice.key.pk).json()
    assert (of_user["api_key"], of_named["api_key"]) == (None, alice.key.pk)
    assert {each["id"] for each in alice.client.get(PATH).json()["webhooks"]} == {of_key, of_named["id"]}
    assert len(signed_in(alice).get(PATH).json()["webhooks"]) == 3
    for path, method in (("", "delete"), ("/rotate", "post"), ("/test", "post"), ("/enable", "post")):
        reply = getattr(alice.client, method)(f"{PATH}/{of_user['id']}{path}", {}, format="json")
        assert reply.status_code == 404


def test_a_key_registers_for_itself_whatever_it_says(alice: Tenant, mallory: Tenant) -> None:
    assert register(mallory.client, api_key=alice.key.pk).json()["api_key"] == mallory.key.pk
    reply = register(signed_in(mallory), api_key=alice.key.pk)
    assert (reply.status_code, reply.json()["code"]) == (422, "unknown_key")


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"event": ["task.failed"]}, "event"),
        ({"events": ["task.everything"]}, "events"),
        ({"events": "task.failed"}, "events"),
        ({"url": ""}, "url"),
        ({"url": 7}, "url"),
        ({"description": "x" * 201}, "description"),
        ({"api_key": "mine"}, "api_key"),
    ],
)
def test_what_makes_no_sense_is_refused(alice: Tenant, fields: dict[str, Any], name: str) -> None:
    reply = register(alice.client, **fields)
    assert (reply.status_code, list(reply.json()["errors"])) == (422, [name])
    assert not WebhookEndpoint.objects.exists()


def test_there_is_a_bound(alice: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "MAX_ENDPOINTS", 2)
    assert [register(alice.client).status_code for _ in range(3)] == [201, 201, 422]


@pytest.mark.parametrize("overlap", [-1, "soon", 1e12])
def test_an_overlap_that_makes_no_sense(alice: Tenant, overlap: Any) -> None:
    webhook = register(alice.client).json()["id"]
    for path in (f"{PATH}/{webhook}/rotate", f"{PATH}/signing_secret"):
        assert alice.client.post(path, {"overlap": overlap}, format="json").status_code == 422


def test_without_an_overlap_the_former_secret_ends_now(alice: Tenant) -> None:
    webhook = register(alice.client).json()["id"]
    reply = alice.client.post(f"{PATH}/{webhook}/rotate", {"overlap": 0}, format="json").json()
    assert reply["previous_until"] is None
    assert WebhookEndpoint.objects.get().previous_encrypted == ""


def test_a_disabled_one_is_not_tested(alice: Tenant) -> None:
    webhook = register(alice.client).json()["id"]
    WebhookEndpoint.objects.update(disabled_at="2026-01-01T00:00:00Z", disabled_because="gone")
    reply = alice.client.post(f"{PATH}/{webhook}/test")
    assert (reply.status_code, reply.json()["code"]) == (422, "webhook_disabled")
    assert alice.client.post(f"{PATH}/{webhook}/enable").json()["enabled"] is True
