"""What this host is called, and what its cluster says of itself."""

from __future__ import annotations

import os
import threading
import time
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import DateTimeField, ExpressionWrapper, Q, QuerySet
from django.db.models.functions import Now

from processing.queue.models import WorkerHost
from processing.runtime import capacity

ALIVE_WITHIN = timedelta(seconds=10)
_SILENT = timedelta(seconds=5)  # more than two heartbeats


class NameTakenError(Exception):
    """Another cluster that is alive calls itself by this host's name, and nobody could tell whose a task is."""


def name() -> str:
    """The host's name, the same in every process of it and of no other host on the same database."""
    found: str = settings.API_V2_HOST_NAME
    return found


def alive() -> Q:
    """The hosts whose heartbeat is fresh, by the clock that it is written with: the database's."""
    return Q(heartbeat_at__gt=ExpressionWrapper(Now() - ALIVE_WITHIN, output_field=DateTimeField()))


def take_name(stop: threading.Event) -> None:
    """Return once no other cluster calls itself so, or once `stop` is set. A row that is still young is one's that
    lives, or one's that was killed a moment ago and will not speak again.

    Raises `NameTakenError`.
    """
    first = _last_words()
    end = time.monotonic() + _SILENT.total_seconds()  # Also after the clock was put back, and a row is from the future.
    while (latest := _last_words()) is not None and time.monotonic() < end:
        if latest != first:
            raise NameTakenError(
                f"Another cluster calls itself {name()}. Each one needs a name of its own: set API_V2_HOST_NAME."
            )
        if stop.wait(0.2):
            return


def _last_words() -> datetime | None:
    """The heartbeat of whoever has this name, if it is not older than that of one which lives."""
    recently = ExpressionWrapper(Now() - _SILENT, output_field=DateTimeField())
    spoken = WorkerHost.objects.filter(host=name(), heartbeat_at__gt=recently)
    return spoken.values_list("heartbeat_at", flat=True).first()


def say_started(workers: int) -> datetime:
    """Write this host's row anew. Returns since when the name is ours, by which the row is known as ours."""
    row, _ = WorkerHost.objects.update_or_create(
        host=name(),
        defaults={
            "pid": os.getpid(),
            "workers": workers,
            "max_concurrent": workers,
            "started_at": Now(),
            "heartbeat_at": Now(),
        },
    )
    row.refresh_from_db(fields=["started_at"])
    row.save(update_fields=["started_at"])  # SQLite keeps times as text: from now on in the form that is compared with.
    return row.started_at


def say_alive(workers: int, since: datetime) -> None:
    """Renew this host's row, or write it again where somebody has deleted it.

    Raises `NameTakenError` where the row is another cluster's by now: this one was thought dead.
    """
    written = _own(since).update(
        workers=workers,
        max_concurrent=workers,
        memory_used_percent=capacity.memory_usage().used_percent,
        heartbeat_at=Now(),
    )
    if written:
        return
    written_again = {
        "pid": os.getpid(),
        "workers": workers,
        "max_concurrent": workers,
        "started_at": since,
        "heartbeat_at": Now(),
    }
    if not WorkerHost.objects.get_or_create(host=name(), defaults=written_again)[1]:
        raise NameTakenError(f"Another cluster calls itself {name()}.")


def say_gone(since: datetime) -> None:
    """Remove this host's row: its cluster stopped in good order."""
    _own(since).delete()


def _own(since: datetime) -> QuerySet[WorkerHost]:
    return WorkerHost.objects.filter(host=name(), pid=os.getpid(), started_at=since)
