"""`GET /metrics`: the guide's names for whoever may read them, and a closed door for everybody else."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from django.test import Client
from prometheus_client import REGISTRY, generate_latest

from processing.counters import ledger, pending
from processing.counters.series import Series
from processing.operations import measuring
from tests.conftest import Tenant

pytestmark = pytest.mark.django_db(transaction=True)

TOKEN = "a-token-of-the-scraper"
GUIDE = (
    "api_v2_active_tasks_total",
    "api_v2_queue_length",
    "api_v2_memory_usage_percent",
    "api_v2_processing_time_seconds",
    "api_v2_error_rate",
    "api_v2_completed_tasks_total",
)


def scraped(module: str = "api_v2", **headers: str) -> Any:
    measuring.forget()
    return Client(raise_request_exception=False).get("/metrics", {"module": module} if module else {}, headers=headers)


def names(text: str) -> set[str]:
    return {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}


@pytest.fixture
def closed(settings: Any) -> None:
    settings.ENV = settings.ENV.model_copy(update={"metrics_token": TOKEN})


def test_it_works() -> None:
    reply = scraped()
    assert reply.status_code == 200
    assert reply["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert set(GUIDE) <= names(reply.content.decode())


def test_the_module_is_a_filter() -> None:
    own = names(scraped().content.decode())
    assert own and all(name.startswith("api_v2_") for name in own)
    everything = names(scraped("").content.decode())
    assert own < everything
    assert "process_resident_memory_bytes" in everything
    reply = scraped("no_such_module")
    assert (reply.status_code, reply.json()["code"]) == (400, "unknown_module")


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer é"]
)
def test_a_stranger_is_closed_out(closed: None, authorization: str) -> None:
    reply = scraped(**({"Authorization": authorization} if authorization else {}))
    assert (reply.status_code, reply.json()["code"]) == (401, "metrics_token_required")
    assert reply["WWW-Authenticate"].startswith("Bearer")
    assert b"api_v2_up" not in reply.content


def test_no_key_of_the_api_opens_it(closed: None, alice: Tenant) -> None:
    assert scraped(Authorization=f"Bearer {alice.secret}").status_code == 401


def test_its_token_opens_it(closed: None) -> None:
    assert scraped(Authorization=f"Bearer {TOKEN}").status_code == 200


def test_where_it_has_a_port_of_its_own_there_is_nothing_here(settings: Any) -> None:
    settings.ENV = settings.ENV.model_copy(update={"metrics_port": 9464})
    assert scraped().status_code == 404


def test_it_is_only_read() -> None:
    assert Client().post("/metrics").status_code == 405


def test_it_is_not_sent_elsewhere_where_the_api_speaks_https(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    assert scraped().status_code == 200
    assert Client().get("/api/v2/models").status_code == 301


def test_a_refusal_is_counted_by_its_code(alice: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    from processing.access.rates import allowances

    limited = allowances._windows
    monkeypatch.setattr(
        allowances,
        "_windows",
        lambda *args, **more: (dataclasses.replace(each, quota=2) for each in limited(*args, **more)),
    )
    replies = [alice.client.get("/api/v2/usage").status_code for _ in range(5)]
    pending.write()
    amounts = ledger.totals().amounts
    assert amounts.get(Series("refused_requests_total", "", ("rate_limited",)), 0) == replies.count(429) == 3


@pytest.mark.parametrize("length", ["many", "-1", str(1 << 40)])
def test_a_length_that_is_none_is_no_size(length: str) -> None:
    before = body_bytes()
    assert Client(raise_request_exception=False).get("/api/v2/health", CONTENT_LENGTH=length).status_code != 500
    assert body_bytes() == before


def body_bytes() -> float:
    return max(0.0, REGISTRY.get_sample_value("django_http_requests_body_total_bytes_sum") or 0.0)


def test_a_method_of_a_callers_own_making_is_no_label() -> None:
    Client().generic("CANARYMETHOD", "/api/v2/health")
    assert b"CANARYMETHOD" not in generate_latest(REGISTRY)
    assert b"invalid method" in generate_latest(REGISTRY)
