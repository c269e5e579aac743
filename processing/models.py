"""The index of the app's models; each lives in its room."""

from processing.access.models import (
    ApiKey,
    AuditEntry,
    Budget,
    CallerLimits,
    IdempotencyKey,
    Reservation,
    SignIn,
    UsageOfDay,
)
from processing.counters.models import CounterChange, CounterTotal
from processing.delivery.webhooks.models import SigningSecret, WebhookDelivery, WebhookEndpoint
from processing.documents.models import StoredDocument
from processing.pipeline.models import CachedResult
from processing.queue.models import Duty, WorkerHost
from processing.runtime.models import ConfigurationRevision
from processing.tasks.models import Batch, Task, TaskEnding

__all__ = [
    "ApiKey",
    "AuditEntry",
    "Batch",
    "Budget",
    "CachedResult",
    "CallerLimits",
    "ConfigurationRevision",
    "CounterChange",
    "CounterTotal",
    "Duty",
    "IdempotencyKey",
    "Reservation",
    "SignIn",
    "SigningSecret",
    "StoredDocument",
    "Task",
    "TaskEnding",
    "UsageOfDay",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WorkerHost",
]
