"""Counting in the transaction of what is counted, and adding up later what was counted.

A total that every transaction raised would be a row that all of them wait for, and several of them in different orders
would lock one another out. So each one writes a row of its own, which `fold` takes away as it raises the totals, in one
transaction. Totals outlive the rows that they were counted with. What is read is the totals and what is not added up
yet, by one statement, so that it is all of one moment.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from django.db import connection, transaction

from processing.counters.models import CounterChange, CounterTotal
from processing.counters.presence import Presence
from processing.counters.series import Series, Sums
from processing.metrics import Increment

_CHANGES, _TOTALS = CounterChange._meta.db_table, CounterTotal._meta.db_table
_THERE = Presence(_CHANGES, _TOTALS)
_AT_ONCE = 500  # changes added up in one transaction, so that others write in between
_ROUNDS = 100
_ADD = f"INSERT INTO {_CHANGES} (changes) VALUES (%s)"  # noqa: S608  (names of our own)
_READ = f"""
SELECT 0, metric, part, labels, amount FROM {_TOTALS} UNION ALL SELECT id, '', '', changes, 0 FROM {_CHANGES}
"""  # noqa: S608
_SET = f"""
INSERT INTO {_TOTALS} (metric, part, labels, amount) VALUES (%s, %s, %s, %s)
ON CONFLICT (metric, part, labels) DO UPDATE SET amount = {_TOTALS}.amount + excluded.amount
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Totals:
    """All series at one moment, and how many changes were not added up yet."""

    amounts: dict[Series, int]
    unfolded: int


def add(*increments: Increment) -> None:
    """Count; inside the transaction of what is counted, so that both are or neither is. One statement."""
    if increments and _THERE:
        rows = [(each.metric, each.part, each.labels, each.amount) for each in increments]
        with connection.cursor() as cursor:
            cursor.execute(_ADD, [json.dumps(rows, separators=(",", ":"))])


def totals() -> Totals:
    """All that was ever counted, added up or not."""
    if not _THERE:
        return Totals({}, 0)
    with connection.cursor() as cursor:
        cursor.execute(_READ)
        rows = cursor.fetchall()
    sums = Sums({_series(metric, part, labels): amount for pk, metric, part, labels, amount in rows if not pk})
    changes = sorted((pk, changes) for pk, _metric, _part, changes, _amount in rows if pk)
    for _pk, text in changes:
        sums.add(_increments(text))
    return Totals(sums.totals, len(changes))


def fold() -> int:
    """Add up what was counted. Returns how many changes. Any number of hosts may: none takes what another is at."""
    folded = 0
    for _ in range(_ROUNDS if _THERE else 0):
        with transaction.atomic():
            found = CounterChange.objects.select_for_update(skip_locked=True).order_by("pk")
            rows = list(found.values_list("pk", "changes")[:_AT_ONCE])
            if rows:
                _raise(text for _pk, text in rows)
                CounterChange.objects.filter(pk__in=[pk for pk, _text in rows]).delete()
        folded += len(rows)
        if len(rows) < _AT_ONCE:
            break
    return folded


def _raise(changes: Iterable[str]) -> None:
    known = CounterTotal.objects.values_list("metric", "part", "labels", "amount")
    before = {_series(metric, part, labels): amount for metric, part, labels, amount in known}
    sums = Sums(before)
    for text in changes:
        sums.add(_increments(text))
    rows = [
        (each.metric, each.part, json.dumps(each.labels), sums.totals[each] - before.get(each, 0))
        for each in sums.touched
    ]
    with connection.cursor() as cursor:
        cursor.executemany(_SET, sorted(rows))  # In one order, so that of two who add up one waits for the other.


def _series(metric: str, part: str, labels: str) -> Series:
    return Series(metric, part, tuple(json.loads(labels)))


def _increments(text: str) -> list[Increment]:
    return [Increment(metric, part, tuple(labels), amount) for metric, part, labels, amount in json.loads(text)]
