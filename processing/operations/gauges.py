"""What rises and falls, looked up when somebody asks: each figure from an index and from a bounded number of rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection
from django.db.models import Count, QuerySet
from django.db.models.functions import Now

from modelsregistry.models import Provider, ProviderSlot
from processing import metrics
from processing.counters.series import MOST, OTHER
from processing.delivery.webhooks import schedule
from processing.delivery.webhooks.models import State, WebhookDelivery, WebhookEndpoint
from processing.documents import space
from processing.metrics import Sample
from processing.operations.figures import percentile
from processing.queue import host
from processing.queue.models import WorkerHost
from processing.runtime import capacity
from processing.runtime.configuration import current
from processing.runtime.parameters import BYTES_PER_MB
from processing.tasks.models import Status, Task, TaskEnding

CAP = 100_000  # rows that one count goes through
QUANTILES = (0.5, 0.95)
_LATE = timedelta(minutes=10)  # the span that the quantiles are of
_LATEST = 1000  # tasks
_ERRORS_WITHIN = timedelta(minutes=5)
_PRIORITIES = 20
_ABOVE_ALL = 32_768  # one more than the column holds
# Some of each priority, by the partial index whose condition the first words are; without statistics SQLite would
# rather read every waiting task.
_FIRST = f"""SELECT seq, priority, available_at FROM {Task._meta.db_table} {{hint}}
WHERE status = 'queued' AND priority < %s ORDER BY priority DESC, seq LIMIT 100"""  # noqa: S608
_HINT = {"sqlite": "INDEXED BY task_waiting"}
_GRACE = timedelta(minutes=1)  # a worker stops within seconds once its time is up, and a lease that ran out is reaped
_SILENT = timedelta(hours=1)  # after which a host that does not speak is told of no more


def of_this_host() -> Iterator[Sample]:
    """What this host knows without the database."""
    yield metrics.BUILD.at(1, settings.API_V2_VERSION)
    yield metrics.MEMORY.at(capacity.memory_usage().used_percent, host.name())
    yield metrics.DISK_FREE.at(space.free(), host.name())


def of_rows() -> Iterator[Sample]:
    """What the database knows. Raises Django's `Error`."""
    now = schedule.now()
    parameters = current().parameters
    yield metrics.ENABLED.at(parameters.enabled)
    yield metrics.DISK_NEEDED.at(parameters.min_free_disk_mb * BYTES_PER_MB)
    yield from _tasks(now)
    yield from _hosts(now)
    yield from _providers(now)
    yield from _webhooks(now)


def latest_durations() -> list[tuple[float, float]]:
    """Quantiles of the seconds that the latest completed tasks were worked on; none where there are none."""
    recent = Task.objects.filter(status=Status.COMPLETED, completed_at__gt=schedule.now() - _LATE)
    spans = recent.order_by("-completed_at").values_list("started_at", "completed_at")[:_LATEST]
    seconds = [max(0.0, (end - start).total_seconds()) for start, end in spans if start and end]
    return [(each, percentile(seconds, 100 * each)) for each in QUANTILES] if seconds else []


def _tasks(now: datetime) -> Iterator[Sample]:
    yield metrics.ACTIVE.at(_counted(Task.objects.filter(status=Status.PROCESSING)))
    yield metrics.QUEUED.at(Task.objects.filter(status=Status.QUEUED).order_by().count())
    yield metrics.OLDEST.at(_longest_wait(now))
    yield metrics.OVERDUE.at(_overdue(now))
    ended = Task.objects.filter(completed_at__gt=now - _ERRORS_WITHIN)
    failed, completed = (_counted(ended.filter(status=status)) for status in (Status.FAILED, Status.COMPLETED))
    yield metrics.ERROR_RATE.at(failed / (failed + completed) if failed else 0.0)


def _longest_wait(now: datetime) -> float:
    """Of the first in line of each priority: who stands behind them has waited less, or may not begin yet."""
    since, below = now, _ABOVE_ALL
    for _ in range(_PRIORITIES):
        head = list(Task.objects.raw(_FIRST.format(hint=_HINT.get(connection.vendor, "")), [below]))
        if not head:
            break
        since = min(since, *(each.available_at for each in head))
        below = head[-1].priority
    return (now - since).total_seconds()


def _overdue(now: datetime) -> int:
    running = Task.objects.filter(status=Status.PROCESSING).order_by()
    rows = running.values_list("lease_expires_at", "started_at", "options")[:CAP]
    return sum(1 for lease, began, options in rows if _is_overdue(lease, began, options.get("timeout"), now))


def _is_overdue(lease: datetime | None, began: datetime | None, timeout: float | None, now: datetime) -> bool:
    if lease is not None and lease + _GRACE < now:
        return True
    return began is not None and timeout is not None and began + timedelta(seconds=timeout) + _GRACE < now


def _hosts(now: datetime) -> Iterator[Sample]:
    running = dict(
        Task.objects.filter(status=Status.PROCESSING).order_by().values_list("host").annotate(Count("seq"))[:CAP]
    )
    alive = set(WorkerHost.objects.filter(host.alive()).order_by("host").values_list("host", flat=True))
    yield metrics.WORKER_HOSTS.at(len(alive))
    known = WorkerHost.objects.filter(heartbeat_at__gt=now - _SILENT).order_by("-heartbeat_at")[:MOST]
    for each in known:
        yield metrics.HEARTBEAT.at(max(0.0, (now - each.heartbeat_at).total_seconds()), each.host)
        yield metrics.RUNNING.at(running.get(each.host, 0), each.host)
        if each.host not in alive:  # What it last said of itself is not so any more.
            continue
        yield metrics.WORKERS.at(each.workers, each.host)
        yield metrics.MAX_CONCURRENT.at(each.max_concurrent, each.host)
        if each.host != host.name():
            yield metrics.MEMORY.at(each.memory_used_percent, each.host)


def _providers(now: datetime) -> Iterator[Sample]:
    used = dict(
        ProviderSlot.objects.filter(expires_at__gt=Now()).order_by().values_list("provider").annotate(Count("pk"))
    )
    rows = list(Provider.objects.filter(enabled=True).order_by("pk"))
    for each in rows[:MOST]:
        is_open = each.open_until is not None and each.open_until > now
        yield metrics.PROVIDER_OPEN.at(is_open, each.name)
        yield metrics.PROVIDER_FAILURES.at(each.consecutive_failures, each.name)
        if each.max_concurrency is not None:
            yield metrics.PROVIDER_SLOTS.at(used.get(each.pk, 0), each.name)
            yield metrics.PROVIDER_LIMIT.at(each.max_concurrency, each.name)
    rest = rows[MOST:]
    if rest:
        are_open = sum(each.open_until is not None and each.open_until > now for each in rest)
        yield metrics.PROVIDER_OPEN.at(are_open, OTHER)
        yield metrics.PROVIDER_FAILURES.at(max(each.consecutive_failures for each in rest), OTHER)


def _webhooks(now: datetime) -> Iterator[Sample]:
    pending = WebhookDelivery.objects.filter(state=State.PENDING)
    first = pending.order_by("next_at").values_list("next_at", flat=True).first()
    yield metrics.WEBHOOKS_WAITING.at(pending.order_by()[:CAP].count())
    yield metrics.WEBHOOKS_OLDEST.at(0.0 if first is None else max(0.0, (now - first).total_seconds()))
    yield metrics.WEBHOOKS_DISABLED.at(WebhookEndpoint.objects.filter(disabled_at__isnull=False).count())
    yield metrics.ENDINGS_UNTOLD.at(TaskEnding.objects.order_by()[:CAP].count())


def _counted(tasks: QuerySet[Task]) -> int:
    return tasks.order_by()[:CAP].count()
