"""Watching a task and waiting for it, as far as one process shows it; what crosses processes is in tests/stack."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, RequestFactory
from django.utils import timezone
from rest_framework.request import Request

from processing.access import audit, keys
from processing.api import events, status, waiting
from processing.api.authentication import ApiKeyAuthentication, BrowserSession
from processing.delivery.events import RETRY, Event
from processing.tasks.journal import keeping
from processing.tasks.journal.contract import MOST, Entry, number
from processing.tasks.models import Status, Task
from tests.conftest import Tenant

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def task(alice: Tenant) -> Task:
    """One that has ended, with what it told."""
    task = Task.objects.create(
        owner=alice.user,
        filename="a.txt",
        file_size=1,
        file_type="text/plain",
        status=Status.COMPLETED,
        lease_token=1,
        result={"content": "Forty-two."},
    )
    keeping.store().append([Entry(task.seq, number(1, 1), "delta", '{"text": "Forty-two."}')])
    return task


def watch(who: Tenant, task: Task, **request: Any) -> Any:
    return who.client.get(f"/api/v2/tasks/{task.id}/events", **request)


def names(response: Any) -> list[str]:
    lines = b"".join(response).decode().split("\n")
    return [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]


@pytest.mark.parametrize("accept", ["text/event-stream", "*/*", "application/json"])
def test_it_works(alice: Tenant, task: Task, accept: str) -> None:
    response = watch(alice, task, headers={"Accept": accept})
    assert (response.status_code, response["Content-Type"]) == (200, "text/event-stream")
    assert (response["Cache-Control"], response["X-Accel-Buffering"]) == ("no-cache, no-transform", "no")
    content = b"".join(response).decode()
    assert content.startswith("retry: 1000\n\n")
    *_, last = content.strip().split("\n\n")
    identifier, name, data = last.split("\n")
    assert (identifier, name) == (f"id: {number(1, MOST)}", "event: done")
    shown = alice.client.get(f"/api/v2/status/{task.id}").json()
    told = json.loads(data.removeprefix("data: "))
    assert {**told, "memory_usage": None} == {**shown, "memory_usage": None}


def test_a_stranger_is_told_that_there_is_no_such_task(mallory: Tenant, task: Task) -> None:
    response = watch(mallory, task)
    assert (response.status_code, response.json()["code"]) == (404, "task_not_found")


def test_a_look_is_a_status_read(alice: Tenant, task: Task) -> None:
    assert watch(alice, task)["RateLimit"].startswith('"status"')


@pytest.mark.parametrize("seen", ["", "abc", "-1", "1e3", "²", str(number(2, 0)), "9" * 40])
def test_an_id_that_is_none_of_the_tasks_begins_anew(alice: Tenant, task: Task, seen: str) -> None:
    assert names(watch(alice, task, QUERY_STRING=f"last_event_id={seen}")) == ["delta", "done"]


def test_who_has_seen_the_end_is_told_not_to_come_back(alice: Tenant, task: Task) -> None:
    last = str(number(1, MOST))
    assert watch(alice, task, headers={"Last-Event-ID": last}).status_code == 204
    assert watch(alice, task, query_params={"last_event_id": last}).status_code == 204
    Task.objects.update(status=Status.FAILED, lease_token=2)  # tried again
    assert names(watch(alice, task, headers={"Last-Event-ID": last})) == ["done"]


def test_the_header_goes_before_the_parameter(alice: Tenant, task: Task) -> None:
    seen = {"Last-Event-ID": str(number(1, 1))}
    assert names(watch(alice, task, headers=seen, query_params={"last_event_id": "0"})) == ["done"]


def test_only_the_head_of_a_stream_can_be_asked_for(alice: Tenant, task: Task) -> None:
    response = alice.client.head(f"/api/v2/tasks/{task.id}/events")
    assert (response.status_code, response["Content-Type"]) == (200, "text/event-stream")


def test_whose_key_is_revoked_is_not_welcome_any_more(alice: Tenant) -> None:
    headers = {"Authorization": f"Bearer {alice.secret}"}
    request = Request(RequestFactory().get("/api/v2/tasks", headers=headers), authenticators=[ApiKeyAuthentication()])
    assert request.user == alice.user
    assert events.is_welcome(request)
    keys.revoke(alice.key.pk, by=audit.SERVICE)
    assert not events.is_welcome(request)


class TestABrowser:
    """Signed in to the admin site, and watching."""

    @pytest.fixture
    def browser(self, alice: Tenant) -> Client:
        browser = Client()
        browser.force_login(alice.user)
        return browser

    @pytest.fixture
    def request_(self, alice: Tenant, browser: Client) -> Request:
        django_request = RequestFactory().get("/api/v2/tasks")
        django_request.user, django_request.session = alice.user, browser.session
        request = Request(django_request, authenticators=[BrowserSession()])
        assert request.user == alice.user
        assert events.is_welcome(request)
        return request

    def test_that_has_signed_out_is_not_welcome_any_more(self, request_: Request, browser: Client) -> None:
        browser.logout()
        assert not events.is_welcome(request_)

    def test_whose_account_is_closed(self, request_: Request, alice: Tenant) -> None:
        type(alice.user).objects.update(is_active=False)
        assert not events.is_welcome(request_)

    def test_whose_password_was_changed(self, request_: Request, alice: Tenant) -> None:
        alice.user.set_password("another long password")
        alice.user.save()
        assert not events.is_welcome(request_)

    def test_whose_session_has_run_out(self, request_: Request) -> None:
        Session.objects.update(expire_date=timezone.now())
        assert not events.is_welcome(request_)


class Talkative:
    """A watcher for whom there is always more."""

    is_over = False

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def take(self) -> list[Event]:
        self._wake()
        return [Event(1, b"more")]

    def leave(self) -> None:
        """Nothing is kept."""


@pytest.mark.parametrize("way", ["thread", "loop"])
def test_who_is_not_welcome_is_told_no_more_however_much_there_is(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    monkeypatch.setattr(status.WATCH, "join", lambda _seq, _after, wake: Talkative(wake))
    monkeypatch.setattr(events, "_BEAT", 0.0)
    stream = events.EventStream(1, None, lambda: False)

    async def refuse() -> bool:
        return False

    async def in_loop() -> list[bytes]:
        told: list[bytes] = []
        async for frame in stream.in_loop(refuse):
            told.append(frame)
            if len(told) == 100:
                break
        return told

    told = list(itertools.islice(stream.in_thread(), 100)) if way == "thread" else asyncio.run(in_loop())
    assert told == [RETRY, b"more"]


@pytest.mark.parametrize("path", ["status/{}", "tasks/{}"])
def test_waiting_for_what_has_ended_takes_no_time(alice: Tenant, task: Task, path: str) -> None:
    response = alice.client.get(f"/api/v2/{path.format(task.id)}", {"wait": "60"})
    assert response.json()["result"]["content"] == "Forty-two."


@pytest.mark.parametrize("wait", ["-1", "soon", "nan", "", "1e999"])
def test_a_wait_that_is_no_time_is_refused(alice: Tenant, task: Task, wait: str) -> None:
    response = alice.client.get(f"/api/v2/status/{task.id}", {"wait": wait})
    assert (response.status_code, list(response.json()["errors"])) == (422, ["wait"])


def waited(alice: Tenant, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    seconds: list[float] = []
    monkeypatch.setattr(status.WATCH, "until_end", lambda _seq, wanted: seconds.append(wanted))
    return seconds


def test_nobody_waits_longer_than_the_longest(alice: Tenant, task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    Task.objects.update(status=Status.QUEUED)
    seconds = waited(alice, monkeypatch)
    for wait in ("0", "0.5", "61", "100000"):
        assert alice.client.get(f"/api/v2/status/{task.id}", {"wait": wait}).status_code == 200
    assert seconds == [0.5, waiting.LONGEST, waiting.LONGEST]


def submit(who: Tenant, fields: dict[str, str] | None = None, **request: Any) -> Any:
    file = SimpleUploadedFile("a.txt", b"The total is 12 euros.")
    return who.client.post(
        "/api/v2/process", {"file": file, "prompt": "What is the total?", "model": "local", **(fields or {})}, **request
    )


@pytest.mark.parametrize(
    ("prefer", "granted"),
    [
        ("wait=20", 20),
        ('respond-async, wait="5"', 5),
        ("Wait = 7; foo", 7),
        ("wait=100000", waiting.LONGEST),
        ("wait=0", None),
        ("wait=-3", None),
        ("wait=soon", None),
        ("await=5", None),
        ("", None),
    ],
)
def test_a_preference_is_applied_as_far_as_it_is_granted(
    alice: Tenant, monkeypatch: pytest.MonkeyPatch, prefer: str, granted: int | None
) -> None:
    seconds = waited(alice, monkeypatch)
    response = submit(alice, headers={"Prefer": prefer})
    assert response.status_code == 200
    assert response.json()["status"] in ("queued", "processing")
    assert response.headers.get("Preference-Applied") == (granted and f"wait={granted}")
    assert seconds == ([] if granted is None else [granted])


def test_without_a_place_to_wait_in_the_reply_comes_at_once(alice: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = waited(alice, monkeypatch)
    response = submit(alice, headers={"Prefer": "wait=20"}, **{waiting.PLACES: lambda: False})
    assert response.status_code == 200
    assert "Preference-Applied" not in response
    assert not seconds


def test_without_a_place_to_watch_from_nothing_is_submitted(alice: Tenant) -> None:
    response = submit(alice, {"stream": "true"}, **{waiting.PLACES: lambda: False})
    assert (response.status_code, response.json()["code"]) == (503, "busy")
    assert response["Retry-After"]
    assert not Task.objects.exists()


def test_a_stream_may_be_what_the_client_says_that_it_accepts(alice: Tenant) -> None:
    assert submit(alice, headers={"Accept": "text/event-stream"}).json()["task_id"]
    refused = submit(alice, {"stream": "perhaps"})
    assert (refused.status_code, list(refused.json()["errors"])) == (422, ["stream"])
