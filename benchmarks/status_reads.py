"""Status reads per second beside a plain viewset over the same row: same server, same run, rounds in turn."""

from __future__ import annotations

import statistics
import time

import httpx

from benchmarks import documents, load
from benchmarks.client import Client
from benchmarks.service import fresh_service
from benchmarks.table import Row

_ROUNDS = 7
_SECONDS = 2.0
_GOAL = 1.5


def rows() -> list[Row]:
    """The rate of each, and the median of the ratios of neighbouring rounds."""
    with fresh_service("benchmarks.settings") as service:
        key = service.new_key()
        task = _completed_task(service.url, key)
        ours = load.Target(f"{service.url}/api/v2/status/{task}", key)
        plain = load.Target(f"{service.url}/plain/{task}", key)
        _check(ours, plain)
        for target in (ours, plain):
            load.requests_per_second(target, 1.0)
        pairs = [_round(ours, plain, first=number % 2 == 0) for number in range(_ROUNDS)]
    ratios = [one / other for one, other in pairs]
    ratio = statistics.median(ratios)
    rates = [statistics.median(column) for column in zip(*pairs, strict=True)]
    return [
        Row(f"status reads with a key ({load.generator()}, {load.CONNECTIONS} connections)", f"{rates[0]:.0f}/s"),
        Row("the same row by a plain ModelViewSet", f"{rates[1]:.0f}/s"),
        Row(
            "status reads beside the plain viewset",
            f"{ratio:.2f}× (rounds {min(ratios):.2f}–{max(ratios):.2f})",
            f"≥ {_GOAL}×",
            ratio >= _GOAL,
        ),
    ]


def _round(ours: load.Target, plain: load.Target, *, first: bool) -> tuple[float, float]:
    """The rates of both, ours first or last: what drifts on the machine falls on both."""
    if first:
        return load.requests_per_second(ours, _SECONDS), load.requests_per_second(plain, _SECONDS)
    other = load.requests_per_second(plain, _SECONDS)
    return load.requests_per_second(ours, _SECONDS), other


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
