"""What the way to a model adds to a trivial completion, beside LiteLLM's proxy where that is installed.

The same completion is streamed from the same stand-in by a bare httpx client, by `modelsregistry.generation.generate`,
and by the bare client through the proxy: one after the other, again and again, each with its connection kept alive.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from benchmarks import servers
from benchmarks.completions import TEXT
from benchmarks.service import ROOT, bare_environment, free_port, manage
from benchmarks.table import Row, percentile

if TYPE_CHECKING:
    from modelsregistry.contract import GenerationRequest

_TIMES = 600
_WARM_UP = 50
_SHARE = 10  # of what LiteLLM adds, we may add one in so many
_KNOWN = 28.0  # ms that LiteLLM's proxy added when it was looked at: the measure where it is not installed
_KEY = f"sk-{secrets.token_hex(32)}"  # the proxy's; it does not start with a weak one
_PATIENCE = 120.0  # seconds for a server to come up
_BODY = {
    "model": "trivial",
    "messages": [{"role": "user", "content": "What is it?"}],
    "stream": True,
    "stream_options": {"include_usage": True},
}


def rows(litellm: Path | None = None) -> list[Row]:
    """What each adds at p50 and p99; `litellm` is a virtual environment with `litellm[proxy]`."""
    with tempfile.TemporaryDirectory(prefix="apiv2-bench-") as directory, _stand_in() as upstream:
        environment = bare_environment(Path(directory))
        manage("migrate", "-v0", environment=environment)
        with (
            servers.litellm(litellm, upstream, _KEY, Path(directory))
            if litellm
            else contextlib.nullcontext("") as proxy
        ):
            code = f"from benchmarks.answering import measure; measure({upstream!r}, {proxy!r}, {_KEY!r})"
            seconds = json.loads(manage("shell", "--no-imports", "-v0", "-c", code, environment=environment))
    bare = seconds.pop("bare")
    added = {name: [one - other for one, other in zip(times, bare, strict=True)] for name, times in seconds.items()}
    return [Row("a trivial completion, streamed by bare httpx", _figure(bare)), *_compared(added)]


def measure(upstream: str, proxy: str, key: str) -> None:
    """Print the seconds of every call as JSON, by who was asked; `key` is the proxy's. Runs inside Django."""
    from modelsregistry.models import Provider, RegisteredModel

    provider = Provider(name="Stand-in", kind="openai_compatible", base_url=upstream, allow_private=True)
    provider.secret = key  # there is something to decrypt, as there would be
    provider.save()
    RegisteredModel.objects.create(public_id="trivial", name="Trivial", provider=provider, upstream_id="trivial")
    with contextlib.ExitStack() as clients:
        ways: dict[str, Callable[[], str]] = {"bare": _bare(clients, upstream, key), "generate": _generated}
        if proxy:
            ways["litellm"] = _bare(clients, proxy, key)
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        names = list(ways)
        for number in range(_TIMES + _WARM_UP):
            for name in names:
                began = time.perf_counter()
                text = ways[name]()
                if number >= _WARM_UP:
                    seconds[name].append(time.perf_counter() - began)
                if text != TEXT:
                    raise RuntimeError(f"{name} answered {text!r}")
            names.append(names.pop(0))  # None is always the one that comes after the slow one.
    print(json.dumps(seconds))


def _bare(clients: contextlib.ExitStack, base_url: str, key: str) -> Callable[[], str]:
    headers = {"Authorization": f"Bearer {key}"}
    client = clients.enter_context(httpx.Client(base_url=base_url, trust_env=False, timeout=60))

    def ask() -> str:
        text = ""
        with client.stream("POST", "chat/completions", json=_BODY, headers=headers) as response:
            for line in response.raise_for_status().iter_lines():
                if line.startswith("data: {"):
                    for choice in json.loads(line[6:])["choices"]:
                        text += choice["delta"].get("content") or ""
        return text

    return ask


def _generated() -> str:
    from modelsregistry.generation import generate

    return generate(_request()).text


def _request() -> GenerationRequest:
    from modelsregistry.contract import GenerationRequest

    return GenerationRequest("trivial", "What is it?", "What is it?", (), time.monotonic() + 60)


def _compared(added: Mapping[str, list[float]]) -> list[Row]:
    ours = statistics.median(added["generate"])
    name = "our way to a model adds"
    if "litellm" not in added:
        goal = _KNOWN / 1000 / _SHARE
        return [
            Row(name, _figure(added["generate"]), f"p50 ≤ {goal * 1000:.1f} ms", ours <= goal),
            Row("LiteLLM's proxy adds", f"not measured: no --litellm (elsewhere: {_KNOWN:.0f} ms)"),
        ]
    theirs = statistics.median(added["litellm"])
    return [
        Row(
            name,
            f"{_figure(added['generate'])} ({ours / theirs:.3f} of LiteLLM's)",
            f"p50 ≤ 1/{_SHARE} of LiteLLM's",
            ours <= theirs / _SHARE,
        ),
        Row("LiteLLM's proxy adds", _figure(added["litellm"])),
    ]


def _figure(seconds: list[float]) -> str:
    return f"p50 {statistics.median(seconds) * 1000:.2f} ms, p99 {percentile(seconds, 99) * 1000:.2f} ms"


@contextlib.contextmanager
def _stand_in() -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "granian", "--interface", "asginl", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--no-log", "benchmarks.completions:app"]
    with servers.serving(command, f"http://127.0.0.1:{port}/", ROOT, {**os.environ}):
        yield f"http://127.0.0.1:{port}/v1"
