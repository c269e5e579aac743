"""What a submission and a status read cost while a hundred thousand tasks wait, beside an empty line."""

from __future__ import annotations

import contextlib
import statistics
import time
from dataclasses import dataclass

from benchmarks import documents
from benchmarks.client import Client
from benchmarks.service import Service, configured, fresh_service, manage
from benchmarks.table import Row
from tests.postgres.server import MissingServerError, running_server

_MANY = 100_000
_TIMES = 150
_WARM_UP = 20
_GOAL = 1.3
_VARIABLES = {
    "API_V2_MAX_CONCURRENT": "1",
    "API_V2_HOST_NAME": "bench",
    "API_V2_ADMIN_CONFIG": configured(max_waiting=10_000_000, max_waiting_per_key=10_000_000),
}


@dataclass(frozen=True, slots=True)
class _Costs:
    """Seconds of a submission, and of reading its status."""

    submission: float
    status: float


def rows() -> list[Row]:
    """Two rows for SQLite, and two for PostgreSQL where its server is installed."""
    with fresh_service(**_VARIABLES) as empty, fresh_service(**_VARIABLES) as full:
        found = _measured("SQLite", empty, full)
    with (
        contextlib.suppress(MissingServerError),
        running_server(fsync=True) as server,
        fresh_service(DATABASE_URL=server.create_database("empty"), **_VARIABLES) as empty,
        fresh_service(DATABASE_URL=server.create_database("full"), **_VARIABLES) as full,
    ):
        found += _measured("PostgreSQL", empty, full)
    return found


def _measured(database: str, empty: Service, full: Service) -> list[Row]:
    """Two services side by side, whose one slot is taken, asked in turn. What was asked is cancelled at once."""
    with Client(empty.url, empty.new_key()) as few, Client(full.url, full.new_key()) as many:
        for service in (empty, full):
            _shell(f"from benchmarks.filling import hold_a_slot; hold_a_slot('bench', {service.process.pid})", service)
        _shell(f"from benchmarks.filling import fill; fill({_MANY})", full)
        submits, reads = [], []
        for number in range(_TIMES + _WARM_UP):
            small, large = _costs(few, number), _costs(many, number)
            submits.append((small.submission, large.submission))
            reads.append((small.status, large.status))
    return [
        _row(f"submission with {_MANY:,} waiting beside none, {database}", submits[_WARM_UP:]),
        _row(f"status read with {_MANY:,} waiting beside none, {database}", reads[_WARM_UP:]),
    ]


def _row(name: str, pairs: list[tuple[float, float]]) -> Row:
    few, many = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = many / few
    figure = f"{ratio:.2f}× (p50 {many * 1000:.1f} ms, {few * 1000:.1f} ms)"
    return Row(name, figure, f"≤ {_GOAL}×", ratio <= _GOAL)


def _costs(client: Client, number: int) -> _Costs:
    content = documents.letter(number)
    began = time.monotonic()
    task = client.submit("letter.txt", content, documents.PROMPT)
    submitted = time.monotonic()
    client.status(task)
    read = time.monotonic()
    client.cancel(task)
    return _Costs(submitted - began, read - submitted)


def _shell(code: str, service: Service) -> str:
    return manage("shell", "--no-imports", "-v0", "-c", code, environment=service.environment)
