"""`/ollama/api/tags` repeats what Ollama says, and hides nothing of its absence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings
from rest_framework.test import APIClient

from modelsregistry import tags
from modelsregistry.models import Provider
from tests.conftest import Tenant
from tests.modelsregistry import stand_in
from tests.modelsregistry.stand_in import StandIn, respond

URL = "/ollama/api/tags"
ROW = {
    "name": "llava:latest",
    "model": "llava:latest",
    "modified_at": "2026-11-01T10:00:00Z",
    "size": 4_733_363_377,
    "digest": "8dd30f6b0cb1",
    "details": {"family": "llama", "parameter_size": "7B", "quantization_level": "Q4_0"},
}
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    tags.forget()
    yield
    tags.forget()


@pytest.fixture
def upstream() -> Iterator[StandIn]:
    with stand_in.running() as running:
        running.script(respond(200, {"models": [ROW]}))
        yield running


def ollama(upstream: StandIn, name: str = "Ollama", **columns: Any) -> Provider:
    url = upstream.url.removesuffix("/v1")
    return Provider.objects.create(name=name, kind="ollama", base_url=url, allow_private=True, **columns)


def test_it_works(upstream: StandIn) -> None:
    ollama(upstream)
    response = APIClient().get(URL)
    assert response.status_code == 200
    assert response.json() == {"models": [ROW]}
    assert upstream.last.path == "/api/tags"


def test_without_an_ollama_it_is_empty() -> None:
    assert APIClient().get(URL).json() == {"models": []}


def test_what_is_no_part_of_ollamas_shape_is_left_out(upstream: StandIn) -> None:
    ollama(upstream)
    upstream.script(respond(200, {"models": [{**ROW, "secret": "canary"}], "more": "canary"}))
    assert b"canary" not in APIClient().get(URL).content


def test_asking_often_asks_ollama_once(upstream: StandIn) -> None:
    ollama(upstream)
    for _ in range(5):
        APIClient().get(URL)
    assert len(upstream.received) == 1


def test_several_servers_are_one_list(upstream: StandIn) -> None:
    ollama(upstream)
    with stand_in.running() as other:
        other.script(respond(200, {"models": [ROW, {**ROW, "name": "qwen:7b"}]}))
        ollama(other, "Second")
        names = [row["name"] for row in APIClient().get(URL).json()["models"]]
    assert sorted(names) == ["llava:latest", "qwen:7b"]


def test_one_that_is_away_hides_no_other(upstream: StandIn) -> None:
    ollama(upstream)
    Provider.objects.create(name="Away", kind="ollama", base_url="http://127.0.0.1:9", allow_private=True)
    assert APIClient().get(URL).json() == {"models": [ROW]}


@pytest.mark.parametrize("reply", [respond(500, {}), respond(200, "<html>", "text/html"), respond(200, {"models": 5})])
def test_one_that_is_away_is_told(upstream: StandIn, reply: Any) -> None:
    ollama(upstream)
    upstream.script(reply)
    response = APIClient().get(URL)
    assert response.status_code >= 500
    assert response.json()["detail"]
    assert upstream.url.encode() not in response.content


def test_one_that_is_switched_off_is_not_asked(upstream: StandIn) -> None:
    ollama(upstream, enabled=False)
    assert APIClient().get(URL).json() == {"models": []}
    assert upstream.received == []


def test_an_operator_can_close_it(settings: Settings, alice: Tenant) -> None:
    settings.API_V2_PUBLIC_ENDPOINTS = frozenset({"health"})
    assert APIClient().get(URL).status_code == 401
    assert alice.client.get(URL).status_code == 200
