"""What this host is called, and what its cluster says of itself."""

from __future__ import annotations

import os
from datetime import timedelta

from django.conf import settings
from django.db.models import DateTimeField, ExpressionWrapper, Q
from django.db.models.functions import Now

from processing.queue.models import WorkerHost
from processing.runtime import capacity

ALIVE_WITHIN = timedelta(seconds=10)


def name() -> str:
    """The host's name, the same in every process of it and of no other host on the same database."""
    found: str = settings.API_V2_HOST_NAME
    return found


def alive() -> Q:
    """The hosts whose heartbeat is fresh, by the clock that it is written with: the database's."""
    return Q(heartbeat_at__gt=ExpressionWrapper(Now() - ALIVE_WITHIN, output_field=DateTimeField()))


def say_started(workers: int) -> None:
    """Write this host's row anew."""
    WorkerHost.objects.update_or_create(
        host=name(),
        defaults={
            "pid": os.getpid(),
            "workers": workers,
            "max_concurrent": workers,
            "started_at": Now(),
            "heartbeat_at": Now(),
        },
    )


def say_alive(workers: int) -> None:
    """Renew this host's row."""
    WorkerHost.objects.filter(host=name()).update(
        workers=workers,
        max_concurrent=workers,
        memory_used_percent=capacity.memory_usage().used_percent,
        heartbeat_at=Now(),
    )


def say_gone() -> None:
    """Remove this host's row: its cluster stopped in good order."""
    WorkerHost.objects.filter(host=name(), pid=os.getpid()).delete()
