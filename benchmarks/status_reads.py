"""Status reads per second beside a plain viewset over the same row: same server, same run, rounds in turn."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import httpx
import psutil

from benchmarks import documents, load
from benchmarks.client import Client
from benchmarks.service import Service, fresh_service
from benchmarks.table import Row

_ROUNDS = 15
_SECONDS = 1.0
_GOAL = 1.5


@dataclass(frozen=True, slots=True)
class _Round:
    """Requests per second, and the web server's processor time for one of them in seconds."""

    rate: float
    cost: float


def rows() -> list[Row]:
    """The rate of each, and the medians of the ratios of neighbouring rounds."""
    with fresh_service("benchmarks.settings") as service:
        key = service.new_key()
        task = _completed_task(service.url, key)
        ours = load.Target(f"{service.url}/api/v2/status/{task}", key)
        plain = load.Target(f"{service.url}/plain/{task}", key)
        _check(ours, plain)
        server = _web_server(service)
        for target in (ours, plain):
            _round(target, server)
        pairs = [_pair(ours, plain, server, ours_first=number % 2 == 0) for number in range(_ROUNDS)]
    rates = [one.rate / other.rate for one, other in pairs]
    ratio = statistics.median(rates)
    costs = [[each.cost * 1000 for each in column] for column in zip(*pairs, strict=True)]
    return [
        Row(
            f"status reads with a key ({load.generator()}, {load.CONNECTIONS} connections)",
            f"{statistics.median(one.rate for one, _ in pairs):.0f}/s",
        ),
        Row("the same row by a plain ModelViewSet", f"{statistics.median(other.rate for _, other in pairs):.0f}/s"),
        Row(
            "status reads beside the plain viewset",
            f"{ratio:.2f}× (rounds {min(rates):.2f}–{max(rates):.2f})",
            f"≥ {_GOAL}×",
            ratio >= _GOAL,
        ),
        Row(
            "the web server's processor time for a status read, and for a plain one",
            f"{statistics.median(costs[0]):.2f} ms, {statistics.median(costs[1]):.2f} ms",
        ),
    ]


def _pair(
    ours: load.Target, plain: load.Target, server: Sequence[psutil.Process], *, ours_first: bool
) -> tuple[_Round, _Round]:
    """Both in turn, ours first or last: what drifts on the machine falls on both."""
    if ours_first:
        return _round(ours, server), _round(plain, server)
    other = _round(plain, server)
    return _round(ours, server), other


def _round(target: load.Target, server: Sequence[psutil.Process]) -> _Round:
    began, before = time.monotonic(), _processor_time(server)
    rate = load.requests_per_second(target, _SECONDS)
    took = time.monotonic() - began
    return _Round(rate, (_processor_time(server) - before) / (rate * min(took, _SECONDS)))


def _web_server(service: Service) -> list[psutil.Process]:
    """The web server's parent process and its workers."""
    parents = [each for each in service.tree() if "apiv2project.web" in each.cmdline()]
    return list({each.pid: each for parent in parents for each in (parent, *parent.children(recursive=True))}.values())


def _processor_time(processes: Sequence[psutil.Process]) -> float:
    """Seconds, in user mode and in the kernel."""
    return sum(times.user + times.system for times in (process.cpu_times() for process in processes))


def _completed_task(url: str, key: str) -> str:
    with Client(url, key) as client:
        task = client.submit("letter.txt", documents.letter(1), documents.PROMPT)
        client.wait(task, every=0.02, deadline=time.monotonic() + 60)
    return task


def _check(ours: load.Target, plain: load.Target) -> None:
    """Both show the same answer to this key, and nothing to another caller."""
    with httpx.Client(trust_env=False) as client:
        shown = [client.get(each.url, headers={"Authorization": f"Bearer {each.key}"}) for each in (ours, plain)]
        refused = [client.get(each.url).status_code for each in (ours, plain)]
    if shown[0].json()["result"] != shown[1].json()["result"] or refused != [401, 401]:
        raise RuntimeError("the two views do not do the same")
