"""Takes the next task in order by one statement, so that those who take tasks keep one another waiting no longer than
the database needs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import connection
from django.db.models import DateTimeField, ExpressionWrapper
from django.db.models.functions import Now

from processing.tasks.models import Task

_CLAIMS = 0x636C616D  # the class of our advisory locks, so that others on the same database have their own
_TABLE = Task._meta.db_table
# The two parts in brackets are walks of a few entries of the partial indexes whose conditions their first words are.
_TAKE = f"""UPDATE {_TABLE} SET status = 'processing', attempts = attempts + 1, lease_token = lease_token + 1,
  lease_expires_at = {{then}}, host = %s, worker_pid = %s, started_at = {{now}}, progress = 0.0, step = 'starting'
WHERE status = 'queued'
  AND seq = (SELECT seq FROM {_TABLE} {{hint}} WHERE status = 'queued' AND available_at <= {{now}}
    ORDER BY priority DESC, seq LIMIT 1 {{lock}})
  AND (SELECT COUNT(*) FROM {_TABLE} WHERE status = 'processing' AND host = %s) < %s
RETURNING seq"""  # noqa: S608
# Without statistics SQLite would rather read every waiting task by `task_by_status`.
_HINT = {"sqlite": "INDEXED BY task_waiting"}


def take(host: str, pid: int, limit: int, lease: timedelta) -> int | None:
    """Mark the next task that is due as this process's and return its `seq`; None where none is, or where `limit` tasks
    already run on this host. Only inside a transaction."""
    statement, values = written(host, pid, limit, lease)
    _wait_for_turn(host)
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        taken = cursor.fetchall()
    return int(taken[0][0]) if taken else None


def written(host: str, pid: int, limit: int, lease: timedelta) -> tuple[str, list[Any]]:
    """The statement in the words of the database in use, and its values."""
    query = Task.objects.all().query
    compiler = query.get_compiler(connection=connection)
    now, values = compiler.compile(Now())
    end = ExpressionWrapper(Now() + lease, output_field=DateTimeField()).resolve_expression(query)
    then, values_of_end = compiler.compile(end)
    skips = connection.features.has_select_for_update_skip_locked
    lock = "FOR UPDATE SKIP LOCKED" if skips else ""
    statement = _TAKE.format(now=now, then=then, hint=_HINT.get(connection.vendor, ""), lock=lock)
    return statement, [*values_of_end, host, pid, *values, *values, host, limit]


def _wait_for_turn(host: str) -> None:
    """Let one claim at a time count this host's tasks, so that the limit holds; until the transaction ends.

    Other hosts claim meanwhile. In SQLite the transaction itself is the lock. A statement of its own: the next one is
    to see what was committed while this one waited.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_CLAIMS, host])
