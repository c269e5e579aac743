"""How soon a worker takes a task that was submitted, and what an idle cluster costs, on each database."""

from __future__ import annotations

import contextlib
import json
import statistics
import time
from collections.abc import Iterator

import psutil

from benchmarks import documents
from benchmarks.client import Client
from benchmarks.service import Service, fresh_service, manage
from benchmarks.table import Row, milliseconds, percentile
from tests.postgres.server import MissingServerError, running_server

_TASKS = 120
_WARM_UP = 5
_IDLE = 20.0  # seconds
_IDLE_GOAL = 1.0  # percent of a core
_SPANS = (
    "import json; from processing.tasks.models import Task; "
    "spans = Task.objects.order_by('seq').values_list('created_at', 'started_at'); "
    "print(json.dumps([(started - created).total_seconds() for created, started in spans]))"
)


def rows() -> list[Row]:
    """Two rows for SQLite, and two for PostgreSQL where its server is installed."""
    with fresh_service() as service:
        found = _measured("SQLite", service, (0.015, 0.030))
    with contextlib.suppress(MissingServerError), _postgresql() as service:
        found += _measured("PostgreSQL", service, (0.008, 0.015))
    return found


@contextlib.contextmanager
def _postgresql() -> Iterator[Service]:
    with running_server(fsync=True) as server, fresh_service(DATABASE_URL=server.url()) as service:
        yield service


def _measured(database: str, service: Service, goal: tuple[float, float]) -> list[Row]:
    """By the database's clock: `created_at` as the row is written, `started_at` as it is claimed."""
    idle = _idle(service)
    with Client(service.url, service.new_key()) as client:
        for number in range(_TASKS + _WARM_UP):
            task = client.submit("letter.txt", documents.letter(number), documents.PROMPT)
            client.wait(task, every=0.02, deadline=time.monotonic() + 60)
    command = ("shell", "--no-imports", "-v0", "-c", _SPANS)
    spans = json.loads(manage(*command, environment=service.environment))[_WARM_UP:]
    met = statistics.median(spans) <= goal[0] and percentile(spans, 95) <= goal[1]
    half, slowest = (round(seconds * 1000) for seconds in goal)
    return [
        Row(f"submit → claimed, {database}", milliseconds(spans), f"≤ {half}/{slowest} ms", met),
        Row(f"idle cluster, {database}", f"{idle:.2f} % of a core", f"≤ {_IDLE_GOAL:.0f} %", idle <= _IDLE_GOAL),
    ]


def _idle(service: Service) -> float:
    """Percent of a core that the cluster's processes use while nothing is asked."""
    time.sleep(5)  # the start is not over when the service is healthy
    cluster = next(process for process in service.tree() if process.cmdline()[-1:] == ["cluster"])
    processes = [cluster, *cluster.children(recursive=True)]
    before = _seconds(processes)
    time.sleep(_IDLE)
    return (_seconds(processes) - before) / _IDLE * 100


def _seconds(processes: list[psutil.Process]) -> float:
    return sum(times.user + times.system for times in (process.cpu_times() for process in processes))
