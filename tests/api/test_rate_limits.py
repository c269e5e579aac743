"""A caller may call so often and no oftener, is told how often, and takes nothing from anybody else."""

from __future__ import annotations

import io
import logging
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.test import APIClient

from processing.access import keys
from processing.access.models import CallerLimits
from processing.access.rates import allowances, counting, leases
from processing.access.rates.postgresql import PostgresStore
from processing.api.throttling import RateThrottle
from processing.runtime import configuration
from processing.tasks.models import Task
from tests import samples
from tests.api.test_process import PROMPT, assert_problem
from tests.conftest import Tenant
from tests.rates.redis_server import running_redis

pytestmark = pytest.mark.django_db

TASKS = "/api/v2/tasks"
MODELS = "/api/v2/models"
MOMENT = 20_000 * 86_400 + 30  # half a minute past midnight: no span ends while a test runs
QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The clock of SQLite's counters is the host's; PostgreSQL's is its own."""
    take = PostgresStore.take
    monkeypatch.setattr(PostgresStore, "take", lambda store, windows: take(store, windows, time.time()))
    with time_machine.travel(MOMENT, tick=False):
        yield


def limit(**rates: int) -> None:
    configuration.change({"rate_limits": rates}, author=None)


def own(**columns: Any) -> None:
    CallerLimits.objects.create(**columns)
    allowances.forget()


def statuses(client: APIClient, times: int, url: str = TASKS) -> list[int]:
    return [client.get(url).status_code for _ in range(times)]


def another_key(tenant: Tenant) -> Tenant:
    key, secret = keys.mint(tenant.user, "another")
    return Tenant(tenant.user, key, secret)


def upload(client: APIClient, data: bytes | None = None) -> Any:
    file = SimpleUploadedFile("invoice.pdf", data or samples.pdf())
    return client.post("/api/v2/upload", {"file": file}, format="multipart")


def test_it_works(alice: Tenant, mallory: Tenant) -> None:
    limit(per_minute=3)
    admitted = [alice.client.get(TASKS) for _ in range(3)]
    refused = alice.client.get(TASKS)

    assert [reply.status_code for reply in admitted] == [200, 200, 200]
    assert [reply["X-RateLimit-Remaining"] for reply in admitted] == ["2", "1", "0"]
    body = assert_problem(refused, 429, "rate_limited")
    assert body["error_type"] == "rate_limit_error"
    assert body["type"] == QUOTA_EXCEEDED
    assert body["violated-policies"] == ["minute"]
    assert 1 <= body["retry_after"] <= 60
    assert refused["Retry-After"] == str(body["retry_after"])
    assert refused["X-RateLimit-Remaining"] == "0"
    assert statuses(mallory.client, 1) == [200]


def test_replies_say_how_it_stands(alice: Tenant) -> None:
    reply = alice.client.get(TASKS)
    assert reply["RateLimit-Policy"] == '"minute";q=50;w=60,"hour";q=1000;w=3600,"day";q=10000;w=86400'
    assert reply["RateLimit"] == '"minute";r=49;t=30'
    assert reply["X-RateLimit-Limit"] == "50"
    assert reply["X-RateLimit-Remaining"] == "49"
    assert reply["X-RateLimit-Reset"] == str(MOMENT + 30)
    assert reply["X-RateLimit-Window"] == "60"


def test_an_error_counts_and_says_so_too(alice: Tenant) -> None:
    assert alice.client.get(f"{TASKS}?status=odd")["X-RateLimit-Remaining"] == "49"


def test_the_tightest_window_is_told(alice: Tenant) -> None:
    limit(per_minute=5, per_hour=2)
    alice.client.get(TASKS)
    alice.client.get(TASKS)
    body = alice.client.get(TASKS).json()
    assert body["violated-policies"] == ["hour"]
    assert body["retry_after"] == 3600 - 30
    assert "2 per hour" in body["detail"]


def test_what_the_hour_refuses_does_not_count_for_the_day(alice: Tenant) -> None:
    limit(per_hour=1, per_day=3)
    assert statuses(alice.client, 5) == [200, 429, 429, 429, 429]
    limit(per_hour=100)
    assert alice.client.get(TASKS)["X-RateLimit-Remaining"] == "1"


def test_a_minute_later_there_is_room_again(alice: Tenant) -> None:
    limit(per_minute=1)
    assert statuses(alice.client, 2) == [200, 429]
    with time_machine.travel(MOMENT + 30, tick=False):
        assert statuses(alice.client, 2) == [200, 429]


def test_a_change_of_the_configuration_holds_for_the_next_call(alice: Tenant, admin_client: Client) -> None:
    limit(per_minute=1)
    assert statuses(alice.client, 2) == [200, 429]
    change = admin_client.post(
        "/admin/config", {"api_v2": {"rate_limits": {"per_minute": 2}}}, content_type="application/json"
    )
    assert change.status_code == 200, change.content
    assert statuses(alice.client, 2) == [200, 429]


class TestWhose:
    """The key's word before the user's before the configuration's."""

    def test_each_key_counts_for_itself(self, alice: Tenant) -> None:
        limit(per_minute=1)
        assert statuses(alice.client, 2) == [200, 429]
        assert statuses(another_key(alice).client, 2) == [200, 429]

    def test_a_keys_own_limit_is_that_keys_alone(self, alice: Tenant) -> None:
        limit(per_minute=1)
        own(key=alice.key, per_minute=3)
        assert statuses(alice.client, 4) == [200, 200, 200, 429]
        assert statuses(another_key(alice).client, 2) == [200, 429]

    def test_a_users_own_limit_is_for_all_keys_together(self, alice: Tenant, mallory: Tenant) -> None:
        own(user=alice.user, per_minute=3)
        assert statuses(alice.client, 2) == [200, 200]
        assert statuses(another_key(alice).client, 2) == [200, 429]
        assert statuses(mallory.client, 4) == [200] * 4

    def test_where_both_have_one_both_hold(self, alice: Tenant) -> None:
        own(user=alice.user, per_minute=4)
        own(key=alice.key, per_minute=3)
        assert statuses(alice.client, 4) == [200, 200, 200, 429]
        other = another_key(alice).client
        assert statuses(other, 2) == [200, 429]
        assert other.get(TASKS).json()["violated-policies"] == ["minute"]
        assert '"user-minute";q=4;w=60' in alice.client.get(TASKS)["RateLimit-Policy"]

    def test_what_is_not_set_is_inherited(self, alice: Tenant) -> None:
        limit(per_minute=2)
        own(key=alice.key, per_hour=7)
        reply = alice.client.get(TASKS)
        assert reply["RateLimit-Policy"] == '"minute";q=2;w=60,"hour";q=7;w=3600,"day";q=10000;w=86400'

    def test_a_session_counts_for_its_user(self, alice: Tenant) -> None:
        limit(per_minute=2)
        browser = APIClient()
        browser.force_login(alice.user)
        assert statuses(browser, 3) == [200, 200, 429]
        assert statuses(alice.client, 1) == [200]


class TestUploads:
    def test_it_works(self, alice: Tenant) -> None:
        limit(uploads_per_minute=2)
        assert [upload(alice.client).status_code for _ in range(2)] == [201, 201]
        body = assert_problem(upload(alice.client), 429, "uploads_limited")
        assert body["violated-policies"] == ["uploads"]
        assert "2 per minute" in body["detail"]

    def test_what_is_refused_for_its_file_is_no_call(self, alice: Tenant) -> None:
        limit(uploads_per_minute=1)
        upload(alice.client)
        for _ in range(5):
            refused = upload(alice.client)
        assert refused["X-RateLimit-Limit"] == "1"
        assert alice.client.get(TASKS)["X-RateLimit-Remaining"] == "48"

    def test_process_counts_its_file_and_no_file_id(self, alice: Tenant) -> None:
        limit(uploads_per_minute=1)
        file_id = upload(alice.client).json()["file_id"]
        again = {"file_id": file_id, "prompt": PROMPT, "model": "local"}
        assert alice.client.post("/api/v2/process", again, format="multipart").status_code == 200
        file = {"file": SimpleUploadedFile("a.pdf", samples.pdf()), "prompt": PROMPT, "model": "local"}
        assert_problem(alice.client.post("/api/v2/process", file, format="multipart"), 429, "uploads_limited")
        assert Task.objects.count() == 1

    def test_it_is_refused_before_the_file_is_read(self, alice: Tenant) -> None:
        limit(uploads_per_minute=1)
        upload(alice.client)
        head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
        body = _Endless(head)
        reply = alice.client.generic(
            "POST",
            "/api/v2/upload",
            b"",
            content_type="multipart/form-data; boundary=b",
            CONTENT_LENGTH=str(40_000_000),
            **{"wsgi.input": body},
        )
        assert_problem(reply, 429, "uploads_limited")
        assert body.given < 1_000_000

    def test_a_browsers_is_counted_though_its_token_is_in_the_form(self, alice: Tenant) -> None:
        limit(uploads_per_minute=1)
        browser = Client(enforce_csrf_checks=True)
        browser.force_login(alice.user)
        browser.cookies["csrftoken"] = token = "a" * 32

        def sent() -> Any:
            file = SimpleUploadedFile("a.pdf", samples.pdf())
            return browser.post("/api/v2/upload", {"csrfmiddlewaretoken": token, "file": file})

        assert sent().status_code == 201
        assert_problem(sent(), 429, "uploads_limited")

    def test_a_stranger_without_a_key_is_told_to_bring_one(self) -> None:
        limit(uploads_per_minute=1)
        assert {upload(APIClient()).status_code for _ in range(3)} == {401}


class TestStatusReads:
    def url(self) -> str:
        return f"/api/v2/status/{uuid.uuid4()}"

    def test_they_have_a_budget_of_their_own(self, alice: Tenant) -> None:
        limit(per_minute=1, status_per_minute=40)
        assert statuses(alice.client, 1) == [200]
        assert statuses(alice.client, 20, self.url()) == [404] * 20
        assert statuses(alice.client, 20, f"/api/v2/tasks/{uuid.uuid4()}") == [404] * 20
        body = assert_problem(alice.client.get(self.url()), 429, "rate_limited")
        assert body["violated-policies"] == ["status"]

    def test_cancelling_is_a_call(self, alice: Tenant) -> None:
        limit(per_minute=1)
        url = f"/api/v2/tasks/{uuid.uuid4()}"
        assert [alice.client.delete(url).status_code for _ in range(2)] == [404, 429]

    def test_a_client_that_looks_once_a_second_is_never_locked_out(self, alice: Tenant) -> None:
        for second in range(0, 120, 5):
            with time_machine.travel(MOMENT + second, tick=False):
                assert set(statuses(alice.client, 5, self.url())) == {404}

    def test_few_of_them_are_written(self, alice: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[Any] = []
        take = counting.take
        monkeypatch.setattr(counting, "take", lambda windows: asked.append(windows) or take(windows))
        statuses(alice.client, 60, self.url())
        assert len(asked) == 2

    def test_no_more_than_the_budget_is_admitted_by_several_processes(self, alice: Tenant) -> None:
        limit(status_per_minute=50)
        seen = []
        for _ in range(30):  # each time as if another process were asked, with what it holds in vain
            leases.forget()
            seen += statuses(alice.client, 2, self.url())
        assert 0 < seen.count(404) <= 50

    def test_once_used_up_they_cost_nothing(self, alice: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
        limit(status_per_minute=20)
        assert statuses(alice.client, 21, self.url())[-1] == 429
        monkeypatch.setattr(counting, "take", None)
        assert statuses(alice.client, 5, self.url()) == [429] * 5

    def test_a_raised_budget_holds_at_once(self, alice: Tenant) -> None:
        limit(status_per_minute=2)
        assert statuses(alice.client, 3, self.url()) == [404, 404, 429]
        limit(status_per_minute=3)
        assert statuses(alice.client, 2, self.url()) == [404, 429]


class TestStrangers:
    """Who does not say who they are is counted by address."""

    def test_public_endpoints(self) -> None:
        limit(anonymous_per_minute=2)
        replies = [APIClient(REMOTE_ADDR="192.0.2.7").get(MODELS) for _ in range(3)]
        assert [reply.status_code for reply in replies] == [200, 200, 429]
        assert replies[0]["RateLimit-Policy"] == '"address";q=2;w=60'
        assert statuses(APIClient(REMOTE_ADDR="192.0.2.8"), 1, MODELS) == [200]

    @pytest.mark.parametrize("secret", [None, "sk-" + "x" * 43, "nonsense"])
    def test_wrong_keys(self, secret: str | None) -> None:
        limit(anonymous_per_minute=2)
        client = APIClient()
        if secret:
            client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
        assert statuses(client, 4) == [401, 401, 429, 429]

    def test_whoever_is_known_is_not_locked_out_with_them(self, alice: Tenant) -> None:
        limit(anonymous_per_minute=1)
        assert statuses(APIClient(), 3) == [401, 429, 429]
        assert statuses(alice.client, 1) == [200]

    def test_who_may_not_do_this_is_counted_as_who_they_are(self, alice: Tenant) -> None:
        limit(per_minute=2)
        assert statuses(alice.client, 3, "/admin/config") == [403, 403, 429]

    def test_the_addresses_of_one_ipv6_network_are_one(self) -> None:
        limit(anonymous_per_minute=1)
        assert statuses(APIClient(REMOTE_ADDR="2001:db8::1"), 1, MODELS) == [200]
        assert statuses(APIClient(REMOTE_ADDR="2001:db8::ffff:2"), 1, MODELS) == [429]
        assert statuses(APIClient(REMOTE_ADDR="2001:db8:0:1::1"), 1, MODELS) == [200]

    def test_health_is_never_limited(self) -> None:
        limit(anonymous_per_minute=1, per_minute=1)
        replies = [APIClient().get("/api/v2/health") for _ in range(5)]
        assert 429 not in {reply.status_code for reply in replies}
        assert "RateLimit" not in replies[0]


def views(patterns: list[URLPattern | URLResolver]) -> Iterator[Any]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from views(pattern.url_patterns)
        elif hasattr(pattern.callback, "cls"):
            yield pattern.callback.cls


def test_no_route_can_forget_to_count() -> None:
    found = set(views(get_resolver().url_patterns))
    assert len(found) > 10
    free = {view.__name__ for view in found if RateThrottle not in view.throttle_classes}
    assert free == {"AliveViewSet", "HealthViewSet", "LivezViewSet", "ReadyViewSet", "ReadyzViewSet"}


class TestFaults:
    def test_a_redis_that_is_away_is_stood_in_for(
        self, alice: Tenant, settings: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings.REDIS_URL = "redis://127.0.0.1:1/0"
        limit(per_minute=2)
        with caplog.at_level(logging.WARNING):
            assert statuses(alice.client, 3) == [200, 200, 429]
        assert caplog.text.count("counted elsewhere") == 1

    def test_a_redis_that_comes_back_counts_again(
        self, alice: Tenant, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(counting, "_LEFT_ALONE_FOR", 0.0)
        limit(per_day=3)
        with running_redis(tmp_path) as server:
            settings.REDIS_URL = server.url
            assert statuses(alice.client, 2) == [200, 200]
            server.stop()
            assert statuses(alice.client, 1) == [200]
            server.start()
            assert statuses(alice.client, 4) == [200, 200, 200, 429]

    def test_where_nothing_can_be_written_this_process_counts(
        self, alice: Tenant, settings: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        if counting.connection.vendor != "sqlite":
            pytest.skip("PostgreSQL counts in the database, or nothing is answered")
        settings.DATA_DIR = tmp_path / "gone"
        limit(per_minute=2)
        assert statuses(alice.client, 3) == [200, 200, 429]
        assert "counted elsewhere" in caplog.text


class _Endless(io.RawIOBase):
    """A body that begins so and goes on."""

    def __init__(self, head: bytes) -> None:
        self._head = head
        self.given = 0

    def read(self, size: int = -1) -> bytes:
        piece = (self._head + b"x" * 65_536)[: size if size > 0 else 65_536]
        self._head = b""
        self.given += len(piece)
        return piece
