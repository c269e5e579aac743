"""The index of the app's models; each lives in its room."""

from processing.access.models import ApiKey, AuditEntry, UsageOfDay
from processing.documents.models import StoredDocument
from processing.pipeline.models import CachedResult
from processing.queue.models import Duty, WorkerHost
from processing.runtime.models import ConfigurationRevision
from processing.tasks.models import Task

__all__ = [
    "ApiKey",
    "AuditEntry",
    "CachedResult",
    "ConfigurationRevision",
    "Duty",
    "StoredDocument",
    "Task",
    "UsageOfDay",
    "WorkerHost",
]
