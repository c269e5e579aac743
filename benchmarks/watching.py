"""A thousand watchers of fifty tasks, at the server of event streams: does each get all, how soon, at what cost."""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil

from benchmarks.service import Service, free_port, fresh_service
from benchmarks.table import Row
from tests.modelsregistry import stand_in
from tests.modelsregistry.stand_in import Exchange
from tests.postgres.server import MissingServerError, running_server

_WATCHERS = 1000
_TASKS = 50
_WORKERS = 10
_PIECES = 30  # of each answer
_BETWEEN = 0.1  # seconds between two of them
_AT_ONCE = 50  # connections that are being opened
_PATIENCE = 300.0  # seconds

_may_speak = threading.Event()


@dataclass
class _Watched:
    """What one watcher has seen: the ids, the answer, and how old each piece of it was when it came (seconds)."""

    task: str
    ids: list[int] = field(default_factory=list)
    text: str = ""
    ages: list[float] = field(default_factory=list)
    content: str = ""


def rows() -> list[Row]:
    """On both databases, where they are installed."""
    found = _measured("SQLite")
    with contextlib.suppress(MissingServerError), running_server(fsync=True) as server:
        found += _measured("PostgreSQL", DATABASE_URL=server.url())
    return found


def _measured(database: str, **more: str) -> list[Row]:
    _may_speak.clear()
    with stand_in.running("reader") as upstream:
        upstream.script(_speak)
        variables = {
            "OPENAI_API_BASE_URL": upstream.url,
            "OPENAI_API_KEY": "sk-upstream",
            "OPENAI_API_MODELS": "reader",
            "API_V2_ADMIN_MODEL": "reader",
            "API_V2_MAX_CONCURRENT": str(_WORKERS),
            "API_V2_STREAMS_PORT": str(free_port()),
            "ENABLE_MODEL_CACHE": "false",
            **more,
        }
        with fresh_service(**variables) as service:
            return _of_service(service, database)


def _of_service(service: Service, database: str) -> list[Row]:
    key = service.new_key()
    server = next(each for each in service.tree() if "apiv2project.streams" in each.cmdline()).children()[0]
    url = f"http://127.0.0.1:{service.environment['API_V2_STREAMS_PORT']}"
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=url, headers=headers, trust_env=False) as client:
        client.get(f"/api/v2/tasks/{'0' * 8}-0000-4000-8000-{'0' * 12}/events")  # loads what every watcher needs
    before, busy = _memory(server), _seconds(server)
    seen, during, opened_in = asyncio.run(_watch(service.url, url, key, lambda: _memory(server)))
    whole = sum(1 for each in seen if each.content and each.text == each.content)
    same = sum(1 for each in seen if each.ids == _longest(seen, each.task)[-len(each.ids) :])
    ages = sorted(age for each in seen for age in each.ages)
    events = sum(len(each.ids) for each in seen)
    where = f"{_WATCHERS} watchers of {_TASKS} tasks, {database}"
    return [
        Row(f"{where}: who got the whole answer, and every event once", f"{whole}, {same}", f"{_WATCHERS}"),
        Row(f"{where}: age of a piece of the answer when it arrives, p50 / p95 / p99", _percentiles(ages)),
        Row(f"{where}: memory of the server for each watcher", f"{(during - before) / _WATCHERS:.0f} kB"),
        Row(
            f"{where}: memory of the server before, with all of them", f"{before / 1000:.0f} MB, {during / 1000:.0f} MB"
        ),
        Row(f"{where}: to open all streams", f"{opened_in:.1f} s"),
        Row(
            f"{where}: processor time of the server for an event", f"{(_seconds(server) - busy) / events * 1e6:.0f} µs"
        ),
    ]


def _speak(exchange: Exchange) -> None:
    """An answer whose pieces tell when they were said; it begins when all watch."""
    _may_speak.wait(_PATIENCE)
    exchange.head(200, "text/event-stream; charset=utf-8")
    for _ in range(_PIECES):
        exchange.wfile.write(stand_in.chunk(f"{time.time():.3f} ").encode())
        exchange.wfile.flush()
        time.sleep(_BETWEEN)
    ends = (
        stand_in.chunk("end", finish_reason="stop"),
        stand_in.chunk(usage={"prompt_tokens": 9, "completion_tokens": 9}),
    )
    exchange.wfile.write("".join((*ends, "data: [DONE]\n\n")).encode())


async def _watch(
    service: str, streams: str, key: str, memory: Callable[[], float]
) -> tuple[list[_Watched], float, float]:
    """What all have seen, the server's memory with all of them, and the seconds that opening their streams took."""
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=service, headers=headers, trust_env=False, timeout=60) as client:
        tasks = [await _submit(client, number) for number in range(_TASKS)]
    address = urlsplit(streams)
    gate = asyncio.Semaphore(_AT_ONCE)
    opened = [asyncio.Event() for _ in range(_WATCHERS)]
    seen = [_Watched(tasks[number % _TASKS]) for number in range(_WATCHERS)]
    began = time.monotonic()
    watching = [
        asyncio.create_task(_one(str(address.hostname), address.port or 80, key, each, gate, is_open))
        for each, is_open in zip(seen, opened, strict=True)
    ]
    async with asyncio.timeout(_PATIENCE):
        await asyncio.gather(*(each.wait() for each in opened))
        opened_in = time.monotonic() - began
        during = memory()
        _may_speak.set()
        await asyncio.gather(*watching)
    return seen, during, opened_in


async def _submit(client: httpx.AsyncClient, number: int) -> str:
    form = {"prompt": f"What is the total of {number}?"}
    response = await client.post("/api/v2/process", data=form, files={"file": ("a.txt", f"Total {number}".encode())})
    return str(response.raise_for_status().json()["task_id"])


async def _one(host: str, port: int, key: str, seen: _Watched, gate: asyncio.Semaphore, is_open: asyncio.Event) -> None:
    async with gate:
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(
            f"GET /api/v2/tasks/{seen.task}/events HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {key}\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n")[0]:
            raise RuntimeError(head.decode())
    is_open.set()
    rest = b""
    while size := int((await reader.readline()).strip() or b"0", 16):
        rest += await reader.readexactly(size)
        await reader.readexactly(2)
        *frames, rest = rest.split(b"\n\n")
        for frame in frames:
            _note(seen, frame)
    writer.close()


def _note(seen: _Watched, frame: bytes) -> None:
    fields = dict(line.partition(b": ")[::2] for line in frame.split(b"\n"))
    if b"data" not in fields:
        return
    seen.ids.append(int(fields[b"id"]))
    data: Any = json.loads(fields[b"data"])
    if fields[b"event"] == b"delta":
        now = time.time()
        seen.ages.extend(now - said for said in _moments(data["text"]))
        seen.text = data["text"] if data.get("reset") else seen.text + data["text"]
    elif fields[b"event"] == b"done":
        seen.content = data["result"]["content"]


def _moments(text: str) -> Iterator[float]:
    return (float(word) for word in text.split() if word != "end")


def _longest(seen: list[_Watched], task: str) -> list[int]:
    return max((each.ids for each in seen if each.task == task), key=len)


def _percentiles(ages: list[float]) -> str:
    cuts = statistics.quantiles(ages, n=100)
    return " / ".join(f"{cuts[at] * 1000:.0f}" for at in (49, 94, 98)) + " ms"


def _memory(server: psutil.Process) -> float:
    """In kB: what is this process's own."""
    return float(server.memory_full_info().uss) / 1000


def _seconds(server: psutil.Process) -> float:
    times = server.cpu_times()
    return float(times.user + times.system)
