"""Writes many waiting tasks into a database, many at once. Runs inside Django (`manage.py shell`)."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.db import connection, transaction

from processing.documents import registry, store
from processing.pipeline.options import RequestOptions
from processing.tasks.models import Status, Task

_SERIES = {
    "sqlite": "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) SELECT i FROM n) n",
    "postgresql": "generate_series(1, {count}) n",
}
_AT_ONCE = 50_000  # rows: a statement has its time
_NEW_ID = {"sqlite": "lower(hex(randomblob(16)))", "postgresql": "gen_random_uuid()"}
# The rows are like one that was checked, and nobody is to wake: without triggers. The indexes fit into this cache.
_IN_A_HURRY = {"sqlite": "PRAGMA cache_size=-400000", "postgresql": "SET session_replication_role = replica"}
# Thirty days, of which each task has its moment; 2 s in line and 3 s of work; one kB of an answer.
_ENDED = """UPDATE {{table}} SET
  status = CASE WHEN seq %% 10 = 0 THEN 'failed' WHEN seq %% 997 = 0 THEN 'queued' ELSE 'completed' END,
  error_code = CASE WHEN seq %% 1000 = 0 THEN 'document_encrypted' WHEN seq %% 10 = 0 THEN 'task_timeout' ELSE '' END,
  model = CASE WHEN seq %% 1009 = 0 THEN 'rare' ELSE model END,
  owner_id = CASE WHEN seq %% 1013 = 0 THEN %(owner)s ELSE owner_id END,
  filename = 'invoice-' || (seq %% 1000) || '.pdf',
  result = {answer},
  created_at = {created}, started_at = {started}, completed_at = {completed}
WHERE seq >= %(first)s AND seq < %(last)s"""
_MOMENT = {
    "sqlite": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', '-' || ((%(count)s - seq) * 2592000.0 / %(count)s - {plus})"
    " || ' seconds')",
    "postgresql": "now() - make_interval(secs => (%(count)s - seq) * 2592000.0 / %(count)s - {plus})",
}
_ANSWER = {
    "sqlite": "json_object('content', hex(randomblob(500)))",
    "postgresql": "jsonb_build_object('content', repeat(md5(seq::text), 32))",
}
_AGED = {
    vendor: _ENDED.format(
        answer=_ANSWER[vendor],
        created=moment.format(plus=-10),
        started=moment.format(plus=-8),
        completed=moment.format(plus=-5),
    )
    for vendor, moment in _MOMENT.items()
}
_AFTERWARDS = {"sqlite": "PRAGMA wal_checkpoint(TRUNCATE)", "postgresql": "CHECKPOINT"}


def fill(count: int) -> None:
    """So many waiting tasks of a user of their own, like one another but for their ids, in one transaction.

    The statistics are then those that autovacuum would have within a minute; SQLite has none, as in the service.
    """
    first = _task()
    names = [field.column for field in Task._meta.concrete_fields if field.column not in ("seq", "id")]
    columns, vendor = ", ".join(f'"{name}"' for name in names), connection.vendor
    with connection.cursor() as cursor:
        cursor.execute(_IN_A_HURRY[vendor])
        with transaction.atomic():
            for done in range(0, count - 1, _AT_ONCE):
                series = _SERIES[vendor].format(count=min(_AT_ONCE, count - 1 - done))
                cursor.execute(
                    f"INSERT INTO {Task._meta.db_table} (id, {columns}) SELECT {_NEW_ID[vendor]}, {columns} "
                    f"FROM {Task._meta.db_table}, {series} WHERE seq = {first.pk}"
                )
        if vendor == "postgresql":
            cursor.execute(f"VACUUM ANALYZE {Task._meta.db_table}")
        cursor.execute(_AFTERWARDS[vendor])


def hold_a_slot(host: str, pid: int) -> None:
    """A running task of this host that nobody ends, so that with one slot nothing that waits is taken."""
    _task(status=Status.PROCESSING, host=host, worker_pid=pid, lease_expires_at=datetime(2100, 1, 1, tzinfo=UTC))


def _task(**columns: Any) -> Task:
    owner, _ = User.objects.get_or_create(username="crowd")
    text = b"The total amount due is 108.00 EUR."
    document = store.keep(
        owner,
        ContentFile(text),
        filename="a.txt",
        format=registry.named("txt"),
        size=len(text),
        sha256=hashlib.sha256(text).hexdigest(),
        pages=None,
    )
    prompt = "What is the total amount due?"
    return Task.objects.create(
        owner=owner,
        document=document,
        prompt=prompt,
        model="local",
        options=RequestOptions.model_validate({}).kept(),
        filename="a.txt",
        file_size=len(text),
        file_type="text/plain",
        **columns,
    )


def age(count: int) -> None:
    """Let the waiting tasks look like those of a month: nearly all have ended, a tenth of these failed, one in a
    thousand is of another model or of another user, and their answers and file names differ."""
    others, _ = User.objects.get_or_create(username="one-of-few")
    first = Task.objects.order_by("seq").values_list("seq", flat=True)[0]
    statement = _AGED[connection.vendor].format(table=Task._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(_IN_A_HURRY[connection.vendor])
        for done in range(0, count + _AT_ONCE, _AT_ONCE):
            values = {"first": first + done, "last": first + done + _AT_ONCE, "count": count, "owner": others.pk}
            cursor.execute(statement, values)
        if connection.vendor == "postgresql":
            cursor.execute(f"VACUUM ANALYZE {Task._meta.db_table}")
        cursor.execute(_AFTERWARDS[connection.vendor])
