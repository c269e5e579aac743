"""What there is to do and what this host has room for, as one question that is cheap enough to be asked often."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db import connection
from django.db.models import DurationField, ExpressionWrapper, Min
from django.db.models.functions import Now

from processing.queue import admission, host
from processing.runtime.capacity import effective_max_concurrent
from processing.runtime.configuration import current
from processing.tasks.models import Status, Task

# Written once, not built anew at each look. Each part is a walk of a few entries of a partial index, whose condition
# the first words are.
_TABLE = Task._meta.db_table
_LOOK = f"""SELECT
  (SELECT COUNT(*) FROM {_TABLE} WHERE status = 'processing' AND host = %s),
  (SELECT COUNT(*) FROM (SELECT 1 FROM {_TABLE} /* hint */ WHERE status = 'queued' AND available_at <= /* now */
    ORDER BY priority DESC, seq LIMIT %s) due),
  EXISTS (SELECT 1 FROM {_TABLE} /* hint */ WHERE status = 'queued')"""  # noqa: S608
_HINT = {"sqlite": "INDEXED BY task_waiting"}  # Without statistics it would rather take `task_by_status`.
# As Django writes `Now()`: in SQLite in the form that it stores times in, in PostgreSQL also within a transaction.
_NOW = {"sqlite": "STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f', 'NOW')", "postgresql": "STATEMENT_TIMESTAMP()"}


@dataclass(frozen=True, slots=True)
class Demand:
    """`wanted`: how many workers would find work, that is, tasks due for which slots are free on this host. `later`:
    there are none due, but some that will be by the passing of time."""

    wanted: int
    later: bool


def now() -> Demand:
    """Raises `django.db.Error`."""
    parameters = current().parameters
    limit = effective_max_concurrent(parameters)
    running, due, waiting = _looked(limit)
    wanted = min(due, max(0, limit - running))
    if wanted and admission.memory_is_short(parameters):  # Asked last, as it costs as much as all the rest.
        wanted = 0
    return Demand(wanted, later=bool(waiting and not due))


def seconds_until_due() -> float | None:
    """Until the first of the waiting tasks is due; None where none waits. Raises `django.db.Error`."""
    left = ExpressionWrapper(Min("available_at") - Now(), output_field=DurationField())
    found: timedelta | None = Task.objects.filter(status=Status.QUEUED).aggregate(left=left)["left"]
    return None if found is None else max(0.0, found.total_seconds())


def _looked(limit: int) -> tuple[int, int, bool]:
    """How many tasks run on this host, how many are due (counted up to `limit`), whether any waits."""
    statement = _LOOK.replace("/* hint */", _HINT.get(connection.vendor, ""))
    statement = statement.replace("/* now */", _NOW.get(connection.vendor, "CURRENT_TIMESTAMP"))
    with connection.cursor() as cursor:
        cursor.execute(statement, (host.name(), limit))
        running, due, waiting = cursor.fetchone()
    return running, due, bool(waiting)
