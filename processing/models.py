"""The index of the app's models; each lives in its room."""

from processing.access.models import ApiKey, AuditEntry, Budget, Reservation, UsageOfDay
from processing.documents.models import StoredDocument
from processing.pipeline.models import CachedResult
from processing.queue.models import Duty, WorkerHost
from processing.runtime.models import ConfigurationRevision
from processing.tasks.models import Task

__all__ = [
    "ApiKey",
    "AuditEntry",
    "Budget",
    "CachedResult",
    "ConfigurationRevision",
    "Duty",
    "Reservation",
    "StoredDocument",
    "Task",
    "UsageOfDay",
    "WorkerHost",
]
