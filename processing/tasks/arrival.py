"""Turns times of arrival into numbers of arrival, which every index of tasks is ordered by."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import QuerySet

from processing.tasks.models import Task

_SKEW = timedelta(minutes=1)  # that a task's time and its number may disagree by: transactions and hosts overlap


def between(tasks: QuerySet[Task], since: datetime | None, until: datetime | None) -> QuerySet[Task]:
    """Those of `tasks` that came since one moment and before another; a walk of these by `seq` meets few others."""
    if since is not None:
        tasks = tasks.filter(seq__gte=_first_since(since - _SKEW), created_at__gte=since)
    if until is not None:
        tasks = tasks.filter(seq__lt=_first_since(until + _SKEW), created_at__lt=until)
    return tasks


def _first_since(moment: datetime) -> int:
    """The number from which on tasks came at `moment` or later, found by halving: some twenty looks at single rows."""
    numbers = Task.objects.order_by("seq").values_list("seq", "created_at")
    newest = numbers.last()
    if newest is None:
        return 0
    low, high = 0, newest[0] + 1
    while low < high:
        middle = (low + high) // 2
        found = numbers.filter(seq__gte=middle).first()
        if found is None or found[1] >= moment:
            high = middle
        else:
            low = found[0] + 1
    return low
