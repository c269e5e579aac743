"""What a claim and a position cost with a million tasks waiting, beside a thousand, on each database."""

from __future__ import annotations

import contextlib
import json
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.service import bare_environment, manage
from benchmarks.table import Row
from tests.postgres.server import MissingServerError, running_server

_FEW, _MANY = 1_000, 1_000_000
_ROUNDS = 5
_TIMES = 100
_GOAL = 2.0


@dataclass(frozen=True, slots=True)
class Costs:
    """Medians in seconds: of a claim, of the position of any waiting task."""

    claim: float
    position: float


def rows() -> list[Row]:
    """Two rows for SQLite, and two for PostgreSQL where its server is installed."""
    with tempfile.TemporaryDirectory(prefix="apiv2-bench-") as directory:
        data = Path(directory)
        found = _measured("SQLite", bare_environment(data / "few"), bare_environment(data / "many"))
    with contextlib.suppress(MissingServerError), _postgresql() as (few, many):
        found += _measured("PostgreSQL", few, many)
    return found


def measure() -> None:
    """Print the costs in this database as JSON. Runs inside Django."""
    from processing.queue import submit
    from processing.tasks import lifecycle
    from processing.tasks.models import Status, Task

    claims, positions = [], []
    waiting = Task.objects.filter(status=Status.QUEUED)
    first, last = waiting.order_by("seq")[0].seq, waiting.order_by("-seq")[0].seq
    for number in range(_TIMES + 5):
        began = time.perf_counter()
        claim = lifecycle.claim("bench", 1, 1)
        claims.append(time.perf_counter() - began)
        if claim is None:
            raise RuntimeError("nothing was claimed")
        lifecycle.release(claim)
        seq = random.Random(number).randint(first, last)
        began = time.perf_counter()
        submit.position_of(seq, 0)
        positions.append(time.perf_counter() - began)
    print(json.dumps([statistics.median(claims[5:]), statistics.median(positions[5:])]))


def _measured(database: str, few: Mapping[str, str], many: Mapping[str, str]) -> list[Row]:
    """The two sizes in turn, so that what drifts on the machine falls on both."""
    for environment, count in ((few, _FEW), (many, _MANY)):
        manage("migrate", "-v0", environment=environment)
        _shell(f"from benchmarks.filling import fill; fill({count})", environment)
    pairs = [(_costs(few), _costs(many)) for _ in range(_ROUNDS)]
    return [
        _row(
            f"claim with {_MANY:,} waiting beside {_FEW:,}, {database}", [(one.claim, two.claim) for one, two in pairs]
        ),
        _row(
            f"position with {_MANY:,} waiting beside {_FEW:,}, {database}",
            [(one.position, two.position) for one, two in pairs],
        ),
    ]


def _row(name: str, pairs: list[tuple[float, float]]) -> Row:
    ratio = statistics.median(many / few for few, many in pairs)
    few, many = (statistics.median(column) * 1000 for column in zip(*pairs, strict=True))
    return Row(name, f"{ratio:.2f}× ({many:.2f} ms, {few:.2f} ms)", f"≤ {_GOAL:.0f}×", ratio <= _GOAL)


def _costs(environment: Mapping[str, str]) -> Costs:
    return Costs(*json.loads(_shell("from benchmarks.depth import measure; measure()", environment)))


def _shell(code: str, environment: Mapping[str, str]) -> str:
    return manage("shell", "--no-imports", "-v0", "-c", code, environment=environment)


@contextlib.contextmanager
def _postgresql() -> Iterator[tuple[Mapping[str, str], Mapping[str, str]]]:
    with running_server(fsync=True) as server, tempfile.TemporaryDirectory(prefix="apiv2-bench-") as directory:
        data = Path(directory)
        yield (
            {**bare_environment(data / "few"), "DATABASE_URL": server.create_database("few")},
            {**bare_environment(data / "many"), "DATABASE_URL": server.create_database("many")},
        )
