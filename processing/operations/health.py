"""Whether the service can do its work: every dependency really asked, within a second even if one hangs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings

from modelsregistry import registry
from processing.documents import blobs, space
from processing.operations.probe import Probe
from processing.operations.storage_check import round_trip
from processing.queue import host
from processing.queue.models import WorkerHost
from processing.runtime import configuration
from processing.runtime.capacity import MemoryUsage, effective_max_concurrent, memory_usage
from processing.runtime.configuration import InForce
from processing.runtime.parameters import BYTES_PER_MB, MemoryManagement, Parameters
from processing.tasks.models import Status, Task

# All probes together may take this long, in seconds; the promise is an answer within one.
PATIENCE = 0.7
MEMORY_ALARM_PERCENT = 85.0

HEALTHY = "healthy"
DEGRADED = "degraded"
UNHEALTHY = "unhealthy"
DISABLED = "disabled"

WHAT_IS_WRONG = {
    "database": "The database does not answer.",
    "storage": "The storage of documents cannot be written and read.",
    "models": "No model is available.",
    "workers": "No worker is alive: tasks wait.",
}


@dataclass(frozen=True, slots=True)
class HealthReport:
    """`status` and each of `services` is `healthy`, `degraded` or `unhealthy`; `api_v2` may be `disabled`.

    `details` has a sentence for each thing that is not healthy. `timestamp` is in Unix seconds. The two counts are
    None while the database does not say.
    """

    status: str
    version: str
    timestamp: float
    services: Mapping[str, str]
    details: Mapping[str, str]
    memory: MemoryUsage
    active_tasks: int | None
    queue_length: int | None
    max_concurrent: int

    @property
    def is_serving(self) -> bool:
        """Whether a load balancer should send requests here."""
        return self.status != UNHEALTHY


@dataclass(frozen=True, slots=True)
class _Tasks:
    active: int
    waiting: int
    in_force: InForce


def _ask_database() -> _Tasks:
    # One COUNT for each index of the task table: a sum over both would read every row.
    active = Task.objects.filter(status=Status.PROCESSING).count()
    waiting = Task.objects.filter(status=Status.QUEUED).count()
    return _Tasks(active, waiting, configuration.current())


def _ask_workers() -> bool:
    return WorkerHost.objects.filter(host.alive(), workers__gt=0).exists()


def _ask_storage() -> bool:
    """Write, read and delete a few bytes where documents are kept."""
    round_trip(blobs.documents)
    return True


def _ask_models() -> bool:
    return any(entry.available for entry in registry.catalogue())


_database = Probe("database", _ask_database, max_age=0.5)
_workers = Probe("workers", _ask_workers, max_age=1.0)
_storage = Probe("storage", _ask_storage, max_age=5.0)
_disk = Probe("disk", lambda: space.free(), max_age=2.0)
_models = Probe("models", _ask_models, max_age=2.0)
PROBES: tuple[Probe[_Tasks] | Probe[bool] | Probe[int], ...] = (_database, _workers, _storage, _disk, _models)


def report() -> HealthReport:
    """Ask everything at the same time, and make one word of it."""
    database = _database.ask()
    parts = {"storage": _storage.ask(), "models": _models.ask(), "workers": _workers.ask()}
    disk = _disk.ask()
    tasks = database.outcome(PATIENCE)
    working = {name: bool(asked.outcome(PATIENCE)) for name, asked in parts.items()}
    parameters = tasks.in_force.parameters if tasks else _last_known()
    memory = memory_usage()

    details = {name: WHAT_IS_WRONG[name] for name, works in working.items() if not works}
    if tasks is None:
        details["database"] = WHAT_IS_WRONG["database"]
    services = {
        name: UNHEALTHY if name in details else HEALTHY for name in ("database", "storage", "models", "workers")
    }
    free = disk.outcome(PATIENCE)
    if services["storage"] == HEALTHY and free is not None and free < parameters.min_free_disk_mb * BYTES_PER_MB:
        services["storage"] = DEGRADED
        details["storage"] = f"Less than {parameters.min_free_disk_mb} MB of disk are free: no documents are taken."
    services["api_v2"] = HEALTHY if parameters.enabled else DISABLED
    if not parameters.enabled:
        details["api_v2"] = "API v2 is switched off."
    short_of_memory = _shortage(memory, parameters.memory_management)
    if short_of_memory:
        details["memory"] = short_of_memory

    return HealthReport(
        status=_status(details),
        version=settings.API_V2_VERSION,
        timestamp=time.time(),
        services=services,
        details=details,
        memory=memory,
        active_tasks=tasks.active if tasks else None,
        queue_length=tasks.waiting if tasks else None,
        max_concurrent=effective_max_concurrent(parameters),
    )


def forget() -> None:
    """Let the next report ask everything anew."""
    for probe in PROBES:
        probe.forget()


def _shortage(memory: MemoryUsage, management: MemoryManagement) -> str:
    """What is to be said of the memory; nothing while there is enough."""
    if management.monitor_usage and memory.used_percent >= management.emergency_stop_threshold:
        return f"At least {management.emergency_stop_threshold} % of the memory is in use: nothing new is begun."
    if memory.used_percent > MEMORY_ALARM_PERCENT:
        return f"More than {MEMORY_ALARM_PERCENT:.0f} % of the memory is in use."
    return ""


def _status(details: Mapping[str, str]) -> str:
    if "database" in details or "api_v2" in details:
        return UNHEALTHY
    return DEGRADED if details else HEALTHY


def _last_known() -> Parameters:
    known = configuration.last_known()
    return known.parameters if known else Parameters()
