"""What it costs to know a caller and to count his calls, on each store of counters, and what it costs a status read."""

from __future__ import annotations

import contextlib
import json
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks import documents, load
from benchmarks.client import Client
from benchmarks.service import bare_environment, free_port, fresh_service, manage
from benchmarks.table import Row, percentile
from tests.postgres.server import MissingServerError, running_server

_GOAL = 1.0  # milliseconds
_ROUNDS = 11
_SECONDS = 1.0


def rows() -> list[Row]:
    """A row for each store, and two on status reads with the limits and without."""
    found = []
    with tempfile.TemporaryDirectory(prefix="apiv2-bench-") as directory:
        environment = bare_environment(Path(directory))
        found.append(_cost("SQLite", environment))
        with _redis(Path(directory)) as url:
            if url:
                found.append(_cost("SQLite, counted in Redis", {**environment, "REDIS_URL": url}))
        with contextlib.suppress(MissingServerError), running_server(fsync=True) as server:
            found.append(_cost("PostgreSQL", {**environment, "DATABASE_URL": server.create_database("limits")}))
    return [*found, *_status_reads()]


def _cost(database: str, environment: Mapping[str, str]) -> Row:
    manage("migrate", "-v0", environment=environment)
    told = json.loads(
        manage(
            *("shell", "--no-imports", "-c", "from benchmarks.admitting import measure; measure()"),
            environment=environment,
        )
    )
    both = [1000 * sum(pair) for pair in zip(told["authentication"], told["limits"], strict=True)]
    parts = ", ".join(f"{name} {1000 * statistics.median(told[name]):.2f}" for name in ("authentication", "limits"))
    p50 = statistics.median(both)
    return Row(
        f"authentication and limits of a call, {database}",
        f"p50 {p50:.2f} ms ({parts}), p95 {percentile(both, 95):.2f} ms",
        f"≤ {_GOAL:.0f} ms",
        p50 <= _GOAL,
    )


def _status_reads() -> list[Row]:
    """The same view with the throttle and without, in neighbouring rounds."""
    with fresh_service("benchmarks.settings") as service:
        key = service.new_key()
        with Client(service.url, key) as client:
            task = client.submit("letter.txt", documents.letter(1), documents.PROMPT)
            client.wait(task, every=0.02, deadline=time.monotonic() + 60)
        limited = load.Target(f"{service.url}/api/v2/status/{task}", key)
        unlimited = load.Target(f"{service.url}/unlimited/{task}", key)
        for target in (limited, unlimited):
            load.requests_per_second(target, _SECONDS)
        pairs = []
        for number in range(_ROUNDS):
            order = (limited, unlimited) if number % 2 == 0 else (unlimited, limited)
            rates = {target: load.requests_per_second(target, _SECONDS) for target in order}
            pairs.append((rates[limited], rates[unlimited]))
    ratios = [one / other for one, other in pairs]
    figures = [f"{statistics.median(column):.0f}/s" for column in zip(*pairs, strict=True)]
    return [
        Row(f"status reads with their budget, and without limits ({load.generator()})", ", ".join(figures)),
        Row(
            "status reads with their budget beside none",
            f"{statistics.median(ratios):.2f}× (rounds {min(ratios):.2f}–{max(ratios):.2f})",
        ),
    ]


@contextlib.contextmanager
def _redis(directory: Path) -> Iterator[str]:
    """The URL of a Redis that keeps nothing; empty where it is not installed."""
    if shutil.which("redis-server") is None:
        yield ""
        return
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    server = subprocess.Popen(command, cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait(20)
