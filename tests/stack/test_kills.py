"""Whatever process is killed, the service recovers by itself: no task is lost, none ends twice, nobody is orphaned."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest

from tests import samples
from tests.modelsregistry import stand_in
from tests.modelsregistry.stand_in import Exchange, StandIn
from tests.stack.processes import Parts, kill, readers, until, until_gone
from tests.stack.service import RunningService, running_service
from tests.stack.test_starting import wait_until_healthy_again
from tests.stack.test_work import PATIENCE, Caller

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]

WORKERS = 3


@pytest.fixture(scope="module")
def upstream() -> Iterator[StandIn]:
    with stand_in.running("reader", "viewer") as running:
        yield running


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, upstream: StandIn) -> Iterator[RunningService]:
    variables = {
        **upstream.variables,
        "API_V2_ADMIN_MODEL": "reader",
        "API_V2_MAX_CONCURRENT": WORKERS,
    }
    with running_service(tmp_path_factory.mktemp("kills"), **variables) as running:
        yield running


@pytest.fixture(scope="module")
def key(service: RunningService) -> str:
    return service.key


@pytest.fixture
def parts(service: RunningService) -> Iterator[Parts]:
    """All processes are there before a test, and no others after it."""
    found = Parts(service)
    until(lambda: found.all_there(WORKERS))
    yield found
    until(lambda: found.all_there(WORKERS))


@pytest.fixture
def caller(service: RunningService, key: str) -> Caller:
    return Caller(service, key=key)


def asked_for_ever(upstream: StandIn, times: int = 1) -> threading.Semaphore:
    """Script so many answers that drip without an end, then good ones; each question releases the semaphore."""
    asked = threading.Semaphore(0)

    def drip(exchange: Exchange) -> None:
        exchange.head(200, "text/event-stream")
        asked.release()
        while not upstream.released.wait(0.05):
            exchange.wfile.write(stand_in.chunk("drip ").encode())
            exchange.wfile.flush()

    upstream.script(*[drip] * times, stand_in.answer("108.00 EUR"))
    return asked


def worker_of(parts: Parts) -> psutil.Process:
    """The one worker that has a model on the line."""
    return until(lambda: next((each for each in parts.playing("worker") if each.net_connections("inet")), None))


def test_it_works(parts: Parts, caller: Caller) -> None:
    body = caller.ended(caller.submit("invoice.pdf", samples.pdf(), model="local"))
    assert (body["status"], body["attempts"]) == ("completed", 1)


@pytest.mark.parametrize("round", range(3))
def test_idle_workers(parts: Parts, caller: Caller, round: int) -> None:
    """Killed one after the other while they wait for the same work."""
    for worker in parts.playing("worker")[: 1 + round]:
        kill(worker)
    tasks = [caller.submit("invoice.txt", b"The total is 7.00 EUR.", model="local") for _ in range(4)]
    assert [(body["status"], body["attempts"]) for body in map(caller.ended, tasks)] == [("completed", 1)] * 4


def test_a_worker_in_a_model_call(parts: Parts, caller: Caller, upstream: StandIn) -> None:
    asked = asked_for_ever(upstream)
    task = caller.submit("invoice.pdf", samples.pdf())
    assert asked.acquire(timeout=PATIENCE)
    kill(worker_of(parts))
    body = caller.ended(task)
    assert (body["status"], body["attempts"], body["result"]["content"]) == ("completed", 2, "108.00 EUR")


def test_a_worker_that_has_a_document_read_and_its_readers(parts: Parts, caller: Caller) -> None:
    task = caller.submit("slow.png", samples.picture("\n".join(["Total 108.00 EUR"] * 40)), model="local")

    def busy() -> list[psutil.Process]:
        return next(([each, *each.children(True)] for each in parts.playing("worker") if readers(each)), [])

    worker, *below = until(busy)
    kill(worker)
    until_gone(*below)
    body = caller.ended(task)
    assert (body["status"], body["attempts"]) == ("completed", 2)


def test_a_task_that_kills_every_worker_ends_and_the_next_one_runs(
    parts: Parts, caller: Caller, upstream: StandIn
) -> None:
    asked = asked_for_ever(upstream, times=3)
    task = caller.submit("invoice.pdf", samples.pdf())
    for _ in range(3):
        assert asked.acquire(timeout=PATIENCE)
        kill(worker_of(parts))
    body = caller.ended(task)
    assert (body["status"], body["error_code"], body["attempts"]) == ("failed", "attempts_exhausted", 3)
    assert caller.ended(caller.submit("invoice.pdf", samples.pdf()))["status"] == "completed"


@pytest.mark.parametrize("part", ["pusher", "sentinel", "cluster"])
def test_a_part_of_the_tree(parts: Parts, caller: Caller, upstream: StandIn, part: str) -> None:
    """The pusher's death costs no attempt, that of a process with workers under it costs one."""
    asked = asked_for_ever(upstream)
    task = caller.submit("invoice.pdf", samples.pdf())
    assert asked.acquire(timeout=PATIENCE)
    victim = parts.the(part)
    below = victim.children(recursive=True)
    kill(victim)
    until_gone(*below)
    others = [caller.submit("invoice.txt", b"The total is 7.00 EUR.", model="local") for _ in range(4)]
    assert [caller.ended(other)["status"] for other in others] == ["completed"] * 4
    if part == "pusher":
        assert caller.status(task)["attempts"] == 1
        kill(worker_of(parts))
    body = caller.ended(task)
    assert (body["status"], body["attempts"]) == ("completed", 2)


def test_the_web_server_with_tasks_at_work(parts: Parts, caller: Caller, upstream: StandIn) -> None:
    asked = asked_for_ever(upstream)
    task = caller.submit("invoice.pdf", samples.pdf())
    assert asked.acquire(timeout=PATIENCE)
    web = parts.the("apiv2project.web")
    kill(web, *web.children(recursive=True))
    wait_until_healthy_again(parts.service)
    until(lambda: not any(each.status() == psutil.STATUS_ZOMBIE for each in parts.service.processes()))
    assert caller.status(task)["status"] == "processing"
    assert caller.http.delete(f"/api/v2/tasks/{task}").status_code == 200


def test_the_web_server_in_the_middle_of_a_batch(parts: Parts, caller: Caller) -> None:
    """Nothing of a batch that has half arrived is kept; sent again, it is taken once, and so it is when sent thrice."""
    half, killed = threading.Event(), threading.Event()
    fields = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    document = (
        b'--b\r\nContent-Disposition: form-data; name="files"; filename="%d.txt"\r\n\r\nThe total is %d.00 EUR.\r\n'
    )

    def form(*, broken_off: bool) -> Iterator[bytes]:
        yield fields % (b"prompt", b"What is the total?") + fields % (b"model", b"local")
        for number in range(1, 21):
            if broken_off and number == 11:
                half.set()
                killed.wait(PATIENCE)
            yield document % (number, number)
        yield b"--b--\r\n"

    def send(*, broken_off: bool = False) -> httpx.Response:
        headers = {"Content-Type": "multipart/form-data; boundary=b", "Idempotency-Key": "a batch that is broken off"}
        return caller.http.post("/api/v2/batches", content=form(broken_off=broken_off), headers=headers)

    with ThreadPoolExecutor(1) as sender:
        lost = sender.submit(send, broken_off=True)
        assert half.wait(PATIENCE)
        web = parts.the("apiv2project.web")
        kill(web, *web.children(recursive=True))
        killed.set()
        assert isinstance(lost.exception(PATIENCE), httpx.TransportError)
    wait_until_healthy_again(parts.service)
    assert caller.http.get("/api/v2/batches").json()["results"] == []
    taken = send()
    assert (taken.status_code, taken.json()["counts"]["failed"]) == (201, 0), taken.text
    assert send().json()["batch_id"] == taken.json()["batch_id"]
    place = f"/api/v2/batches/{taken.json()['batch_id']}"
    until(lambda: caller.http.get(place).json()["status"] == "completed")
    results = [json.loads(line) for line in caller.http.get(f"{place}/results").text.splitlines()]
    assert [(each["line"], each["status"]) for each in results] == [(line, "completed") for line in range(1, 21)]
    assert all(f"{each['line']}.00" in each["result"]["content"] for each in results)


def test_a_limit_that_is_changed_holds_for_workers_at_once_and_drops_no_work(
    parts: Parts, caller: Caller, upstream: StandIn, service: RunningService
) -> None:
    admin = Caller(service, admin=True)

    def change(limit: int | None) -> None:
        reply = admin.http.post("/admin/config", json={"api_v2": {"max_concurrent": limit}})
        assert reply.status_code == 200, reply.text

    asked = asked_for_ever(upstream, times=5)
    tasks = [caller.submit("invoice.pdf", samples.pdf()) for _ in range(5)]
    for _ in range(WORKERS):
        assert asked.acquire(timeout=PATIENCE)
    change(5)
    for _ in range(2):
        assert asked.acquire(timeout=PATIENCE)
    until(lambda: parts.all_there(5))
    change(1)
    assert [caller.status(task)["status"] for task in tasks] == ["processing"] * 5
    for task in tasks:
        assert caller.http.delete(f"/api/v2/tasks/{task}").status_code == 200
    until(lambda: parts.all_there(1))
    assert caller.ended(caller.submit("invoice.pdf", samples.pdf()))["status"] == "completed"
    change(None)


def test_the_whole_tree(tmp_path_factory: pytest.TempPathFactory, upstream: StandIn) -> None:
    """Started again on the same data, it takes up what it was at."""
    directory = tmp_path_factory.mktemp("tree")
    asked = asked_for_ever(upstream)
    with running_service(directory, **upstream.variables) as service:
        key = service.key
        caller = Caller(service, key=key)
        task = caller.submit("invoice.pdf", samples.pdf(), model="reader")
        assert asked.acquire(timeout=PATIENCE)
        kill(*service.processes())
        service.process.wait(PATIENCE)
    with running_service(directory, **upstream.variables) as service:
        body = Caller(service, key=key).ended(task)
        assert (body["status"], body["attempts"]) == ("completed", 2)


def test_a_cluster_that_is_told_to_end_finishes_what_it_is_at_and_starts_nothing(
    parts: Parts, caller: Caller, upstream: StandIn
) -> None:
    began, end = threading.Semaphore(0), threading.Event()

    def slow(exchange: Exchange) -> None:
        began.release()
        end.wait(PATIENCE)
        stand_in.answer("In time.")(exchange)

    upstream.script(slow)
    running = [caller.submit("invoice.pdf", samples.pdf()) for _ in range(WORKERS)]
    waiting = caller.submit("invoice.pdf", samples.pdf())
    for _ in running:
        assert began.acquire(timeout=PATIENCE)
    cluster = parts.the("cluster")
    pusher = parts.the("pusher")
    cluster.terminate()
    until(lambda: not pusher.is_running())
    end.set()
    assert [(body["status"], body["attempts"]) for body in map(caller.ended, running)] == [("completed", 1)] * WORKERS
    assert caller.ended(waiting)["attempts"] == 1


def test_a_cluster_that_is_told_twice_gives_its_tasks_back(parts: Parts, caller: Caller, upstream: StandIn) -> None:
    asked = asked_for_ever(upstream)
    task = caller.submit("invoice.pdf", samples.pdf())
    assert asked.acquire(timeout=PATIENCE)
    cluster = parts.the("cluster")
    pusher = parts.the("pusher")
    cluster.terminate()
    until(lambda: not pusher.is_running())
    cluster.terminate()
    until(lambda: not cluster.is_running())
    body = caller.ended(task)
    assert (body["status"], body["attempts"]) == ("completed", 2)
