"""Watching a real task from outside: what the model says arrives while it speaks, whichever process is asked."""

from __future__ import annotations

import concurrent.futures
import contextlib
import http.client
import itertools
import json
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.modelsregistry import stand_in
from tests.modelsregistry.stand_in import StandIn
from tests.stack.service import RunningService, free_port, running_service
from tests.stack.test_work import Caller
from tests.stack.watching import PATIENCE, Event, Speaker, events, text

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

SHARE = 3  # of the six places of those who wait, in the one web process with 16 threads
TEXT = b"The total is 108 euros."
REVOKE = "from processing.access import audit, keys; keys.revoke(keys.find({!r}).pk, by=audit.SERVICE)"


@pytest.fixture(scope="module")
def upstream() -> Iterator[StandIn]:
    with stand_in.running("reader") as running:
        yield running


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, upstream: StandIn) -> Iterator[RunningService]:
    variables = {
        **upstream.variables,
        "API_V2_ADMIN_MODEL": "reader",
        "API_V2_MAX_CONCURRENT": 2,
        "API_V2_WEB_PROCESSES": 1,
        "API_V2_WEB_THREADS": 16,
        "API_V2_STREAMS_PORT": free_port(),
    }
    with running_service(tmp_path_factory.mktemp("events"), **variables) as running:
        yield running


@pytest.fixture(scope="module")
def caller(service: RunningService) -> Caller:
    return Caller(service)


@pytest.fixture(scope="module")
def streams(service: RunningService, caller: Caller) -> Iterator[httpx.Client]:
    """The same caller, at the process that serves streams alone."""
    port = service.environment["API_V2_STREAMS_PORT"]
    url = f"http://127.0.0.1:{port}"
    with httpx.Client(base_url=url, headers=caller.http.headers, timeout=PATIENCE, trust_env=False) as client:
        while True:
            try:
                client.get("/api/v2/health")
            except httpx.ConnectError:
                continue
            break
        yield client


@pytest.fixture(params=["web", "streams"])
def client(request: pytest.FixtureRequest, caller: Caller, streams: httpx.Client) -> httpx.Client:
    return caller.http if request.param == "web" else streams


@pytest.fixture
def speaker(upstream: StandIn) -> Iterator[Speaker]:
    speaker = Speaker("The total ", "is ", "108 euros.")
    upstream.script(speaker)
    yield speaker
    speaker.say(10)


def ask(caller: Caller, **fields: Any) -> str:
    return caller.submit("a.txt", TEXT, **{"prompt": "What is the total?", "model": "reader", **fields})


def watching(client: httpx.Client, task: str, **request: Any) -> Any:
    return client.stream("GET", f"/api/v2/tasks/{task}/events", **request)


def read_until(stream: Iterator[Event], seen: list[Event], said: str) -> None:
    while text(seen) != said:
        seen.append(next(stream))


def without_memory(seen: list[Event]) -> list[Event]:
    """The end tells how much memory the host has free, which changes from one look to the next."""
    return [Event(each.name, {**each.data, "memory_usage": None}, each.id) for each in seen]


def test_what_a_model_says_arrives_while_it_speaks(client: httpx.Client, caller: Caller, speaker: Speaker) -> None:
    task = ask(caller)
    seen: list[Event] = []
    with watching(client, task) as response:
        assert (response.status_code, response.headers["content-type"]) == (200, "text/event-stream")
        stream = events(response)
        speaker.say()
        read_until(stream, seen, "The total ")
        speaker.say()
        read_until(stream, seen, "The total is ")
        assert caller.status(task)["status"] == "processing"
        speaker.say(2)
        seen.extend(stream)
    assert text(seen) == "The total is 108 euros."
    done = seen[-1]
    assert (done.name, done.data["status"]) == ("done", "completed")
    assert done.data["result"]["content"] == text(seen)
    assert {"status", "progress"} <= {event.name for event in seen}
    numbers = [int(str(event.id)) for event in seen]
    assert numbers == sorted(set(numbers))


def test_a_stream_that_broke_off_is_resumed_and_every_event_comes_once(
    client: httpx.Client, caller: Caller, speaker: Speaker
) -> None:
    task = ask(caller)
    seen: list[Event] = []
    with watching(client, task) as response:
        speaker.say()
        read_until(events(response), seen, "The total ")
    speaker.say(3)
    with watching(client, task, headers={"Last-Event-ID": str(seen[-1].id)}) as response:
        rest = list(events(response))
    with watching(client, task) as response:
        whole = list(events(response))
    in_line = [event for event in seen if event.data.get("status") == "queued"]  # before the second came
    assert without_memory(seen + rest) == without_memory(in_line + whole)
    assert text(whole) == "The total is 108 euros."
    with watching(client, task, params={"last_event_id": whole[-2].id}) as response:
        assert without_memory(list(events(response))) == without_memory(whole[-1:])
    assert client.get(f"/api/v2/tasks/{task}/events", headers={"Last-Event-ID": str(whole[-1].id)}).status_code == 204


def test_a_stranger_sees_nothing(client: httpx.Client, caller: Caller, service: RunningService) -> None:
    task = ask(caller, model="local")
    stranger = {"Authorization": f"Bearer {service.admin_key}"}
    response = client.get(f"/api/v2/tasks/{task}/events", headers=stranger)
    assert (response.status_code, response.json()["code"]) == (404, "task_not_found")
    assert client.get(f"/api/v2/tasks/{task}/events", headers={"Authorization": ""}).status_code == 401


def test_a_task_that_is_cancelled_ends_its_stream(client: httpx.Client, caller: Caller, speaker: Speaker) -> None:
    task = ask(caller)
    seen: list[Event] = []
    with watching(client, task) as response:
        stream = events(response)
        speaker.say()
        read_until(stream, seen, "The total ")
        caller.http.delete(f"/api/v2/tasks/{task}")
        seen.extend(stream)
    assert (seen[-1].name, seen[-1].data["status"]) == ("done", "cancelled")


def test_a_stream_ends_soon_after_its_key_is_revoked(
    client: httpx.Client, service: RunningService, speaker: Speaker
) -> None:
    """Although the model goes on speaking."""
    key = service.key
    task = ask(Caller(service, key=key))
    seen: list[Event] = []
    with watching(client, task, headers={"Authorization": f"Bearer {key}"}) as response:
        stream = events(response)
        speaker.say()
        read_until(stream, seen, "The total ")
        service.manage("shell", "--no-imports", "-c", REVOKE.format(key))
        seen.extend(stream)
    assert (text(seen), seen[-1].name) == ("The total ", "delta")
    assert client.get(f"/api/v2/tasks/{task}", headers={"Authorization": f"Bearer {key}"}).status_code == 401


def test_a_submission_can_be_its_own_stream(caller: Caller, speaker: Speaker) -> None:
    speaker.say(4)
    fields = {"prompt": "What is the total?", "model": "reader", "stream": "true"}
    files = {"file": ("a.txt", TEXT)}
    with caller.http.stream("POST", "/api/v2/process", data=fields, files=files) as response:
        seen = list(events(response))
    assert (seen[0].name, seen[0].id) == ("accepted", None)
    assert seen[0].data["task_id"] == seen[-1].data["task_id"]
    assert (text(seen), seen[-1].name) == ("The total is 108 euros.", "done")


def test_a_submission_can_wait_for_its_answer(caller: Caller, speaker: Speaker) -> None:
    speaker.say(4)
    fields = {"prompt": "What is the total?", "model": "reader"}
    response = caller.http.post(
        "/api/v2/process", data=fields, files={"file": ("a.txt", TEXT)}, headers={"Prefer": "wait=50"}
    )
    assert (response.status_code, response.headers["Preference-Applied"]) == (200, "wait=50")
    assert response.json()["status"] == "completed"
    assert response.json()["result"]["content"] == "The total is 108 euros."


def test_a_status_waits_for_the_end(client: httpx.Client, caller: Caller, speaker: Speaker) -> None:
    task = ask(caller)
    assert client.get(f"/api/v2/status/{task}", params={"wait": 0.2}).json()["status"] in ("queued", "processing")
    speaker.say(4)
    assert client.get(f"/api/v2/status/{task}", params={"wait": 50}).json()["status"] == "completed"


def test_beyond_the_places_a_watcher_is_told_to_come_back(
    caller: Caller, speaker: Speaker, service: RunningService
) -> None:
    """Beyond those that one caller may hold; another finds a place. And whoever leaves makes room, although nobody told
    the server that they would."""
    task = ask(caller)
    other = Caller(service)
    with httpx.Client(base_url=caller.http.base_url, headers=caller.http.headers, timeout=PATIENCE) as others:
        held = [watching(others, task) for _ in range(SHARE)]
        responses = [each.__enter__() for each in held]
        assert {response.status_code for response in responses} == {200}
        refused = caller.http.get(f"/api/v2/tasks/{task}/events")
        assert (refused.status_code, refused.json()["code"]) == (503, "busy")
        assert refused.headers["Retry-After"]
        assert caller.status(task)["task_id"] == task
        assert other.http.get(f"/api/v2/status/{task}", params={"wait": 0}).status_code == 200
        for each in held:
            each.__exit__(None, None, None)
    speaker.say(4)
    with watching(caller.http, task, params={}) as response:
        while response.status_code == 503:
            response = caller.http.get(f"/api/v2/tasks/{task}/events")
        assert response.status_code == 200


def test_a_body_is_refused_where_streams_alone_are_served(streams: httpx.Client) -> None:
    """Before any of it is received: it does not end."""
    connection = http.client.HTTPConnection(streams.base_url.host, streams.base_url.port, timeout=PATIENCE)
    with contextlib.closing(connection):
        connection.putrequest("POST", f"/api/v2/tasks/{uuid.uuid4()}/events")
        connection.putheader("Authorization", streams.headers["authorization"])
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders(b"10\r\n" + b"x" * 16 + b"\r\n")
        reply = connection.getresponse()
        assert (reply.status, json.loads(reply.read())["code"]) == (413, "body_too_large")


def test_two_hundred_watch_one_task(streams: httpx.Client, caller: Caller, speaker: Speaker) -> None:
    task = ask(caller)
    opened = threading.Barrier(201, timeout=PATIENCE)

    def watch() -> list[Event]:
        with (
            httpx.Client(
                base_url=streams.base_url, headers=streams.headers, timeout=PATIENCE, trust_env=False
            ) as client,
            watching(client, task) as response,
        ):
            stream = events(response)
            first = next(stream)
            opened.wait()
            return [first, *stream]

    with concurrent.futures.ThreadPoolExecutor(200) as pool:
        watchers = [pool.submit(watch) for _ in range(200)]
        opened.wait()
        speaker.say(4)
        seen = [watcher.result(PATIENCE) for watcher in watchers]
    assert all(text(each) == "The total is 108 euros." for each in seen)
    assert all(each[-1].name == "done" for each in seen)
    told = max(seen, key=len)
    assert all(each == told[-len(each) :] for each in seen), [len(each) for each in seen]
    assert len(list(itertools.groupby(told, key=lambda event: event.id))) == len(told)
