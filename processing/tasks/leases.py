"""Leases whose holder is known to be dead: they need not run out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import DateTimeField, ExpressionWrapper
from django.db.models.functions import Now

from processing.tasks import losses
from processing.tasks.models import Status, Task


@dataclass(frozen=True, slots=True)
class Lease:
    """That a process of a host works on a task; `token` says on which claim of it."""

    seq: int
    token: int
    pid: int


def of_host(host: str) -> list[Lease]:
    """What the processes of this host hold."""
    held = Task.objects.filter(status=Status.PROCESSING, host=host).values_list("seq", "lease_token", "worker_pid")
    return [Lease(seq, token, pid) for seq, token, pid in held if pid is not None]


def end(leases: Iterable[Lease]) -> None:
    """Give their tasks back to the queue, or end them when no attempt is left, as if the leases had run out."""
    past = ExpressionWrapper(Now() - timedelta(seconds=1), output_field=DateTimeField())
    ended = [
        lease.seq
        for lease in leases
        if Task.objects.filter(seq=lease.seq, status=Status.PROCESSING, lease_token=lease.token).update(
            lease_expires_at=past
        )
    ]
    if ended:
        losses.reap(ended)
