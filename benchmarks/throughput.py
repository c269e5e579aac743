"""How many tasks a second the queue moves when the work itself is nothing: looked for, delivered, claimed, settled."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping

from benchmarks.service import Service, fresh_service, manage
from benchmarks.table import Row
from tests.postgres.server import MissingServerError, running_server

_TASKS = 1000
_WORKERS = 3
_PATIENCE = 300.0  # seconds
# In one process, which looks seldom: starting another for each look would cost more than the queue.
_WAIT = f"""
import time
from processing.tasks.models import Task
end = time.monotonic() + {_PATIENCE}
while Task.objects.filter(status__in=("queued", "processing")).exists() and time.monotonic() < end:
    time.sleep(0.25)
print(Task.objects.filter(status__in=("queued", "processing")).count(), Task.objects.exclude(attempts=1).count())
"""
_SPAN = (
    "import json; from django.db.models import Max, Min; from processing.tasks.models import Task; "
    "row = Task.objects.filter(status='completed').aggregate(first=Min('started_at'), last=Max('completed_at')); "
    "print(json.dumps((row['last'] - row['first']).total_seconds()))"
)


def rows() -> list[Row]:
    """One row for each database that is installed here."""
    variables = {"API_V2_MAX_CONCURRENT": str(_WORKERS)}
    with fresh_service("benchmarks.settings_without_work", **variables) as service:
        found = [_measured("SQLite", service)]
    with (
        contextlib.suppress(MissingServerError),
        running_server(fsync=True) as server,
        fresh_service("benchmarks.settings_without_work", DATABASE_URL=server.url(), **variables) as service,
    ):
        found.append(_measured("PostgreSQL", service))
    return found


def _measured(database: str, service: Service) -> Row:
    """From the first claim to the last answer, by the database's clock."""
    _shell(f"from benchmarks.filling import fill; fill({_TASKS})", service.environment)
    left = _shell(_WAIT, service.environment).split()
    if left[0] != "0":
        raise RuntimeError(f"{left[0]} tasks did not end")
    if left[1] != "0":
        raise RuntimeError(f"{left[1]} tasks were claimed more than once")
    seconds = json.loads(_shell(_SPAN, service.environment))
    return Row(f"tasks without work, {_WORKERS} workers, {database}", f"{_TASKS / seconds:.0f}/s")


def _shell(code: str, environment: Mapping[str, str]) -> str:
    return manage("shell", "--no-imports", "-v0", "-c", code, environment=environment)
