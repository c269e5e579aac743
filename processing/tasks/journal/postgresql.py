"""The journal in PostgreSQL, in an unlogged table (migration `task_events`): no write waits for a disk."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from django.db import connection

from processing.tasks.journal.contract import ERASED, Entry

_APPEND = f"""
INSERT INTO processing_taskevent (seq, number, at, name, data)
SELECT %s, new.number, extract(epoch FROM clock_timestamp()), new.name, new.data
FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS new (number, name, data)
WHERE NOT EXISTS (SELECT 1 FROM processing_taskevent WHERE seq = %s AND number = {ERASED})
ON CONFLICT DO NOTHING
"""  # noqa: S608  (a number of our own)
_READ = f"""
SELECT event.seq, event.number, event.name, event.data
FROM unnest(%s::bigint[], %s::bigint[]) AS asked (seq, number)
JOIN processing_taskevent event
    ON event.seq = asked.seq AND event.number > asked.number AND event.number < {ERASED}
ORDER BY event.seq, event.number
"""  # noqa: S608
_DELETE = "DELETE FROM processing_taskevent WHERE seq = ANY (%s::bigint[])"
_ERASE = f"""
INSERT INTO processing_taskevent (seq, number, at, name, data)
SELECT gone.seq, {ERASED}, extract(epoch FROM clock_timestamp()), 'erased', '' FROM unnest(%s::bigint[]) AS gone (seq)
ON CONFLICT DO NOTHING
"""  # noqa: S608
_IDLE = """
SELECT seq FROM processing_taskevent
GROUP BY seq HAVING max(at) < extract(epoch FROM clock_timestamp()) - %s LIMIT %s
"""


class PostgresJournal:
    """As `Store`, on the thread's own connection."""

    def append(self, entries: Sequence[Entry]) -> None:
        seq = entries[0].seq
        columns = zip(*((each.number, each.name, each.data) for each in entries), strict=True)
        with connection.cursor() as cursor:
            cursor.execute(_APPEND, [seq, *map(list, columns), seq])

    def read(self, after: Mapping[int, int]) -> list[Entry]:
        with connection.cursor() as cursor:
            cursor.execute(_READ, [list(after), list(after.values())])
            return [Entry(*row) for row in cursor.fetchall()]

    def erase(self, seqs: Collection[int]) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_DELETE, [list(seqs)])
            cursor.execute(_ERASE, [list(seqs)])

    def idle(self, seconds: float, most: int) -> list[int]:
        with connection.cursor() as cursor:
            cursor.execute(_IDLE, [seconds, most])
            return [row[0] for row in cursor.fetchall()]

    def delete(self, seqs: Collection[int]) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_DELETE, [list(seqs)])
