"""What the endpoints that read documents and ask nobody have in common."""

from __future__ import annotations

from rest_framework.request import Request

from processing import errors
from processing.access.models import ApiKey
from processing.api.authentication import caller
from processing.errors import ProcessingError
from processing.queue.admission import Caller
from processing.tasks.models import Status, Task

_FAMILIES = {
    family.error_type: family
    for family in (errors.DocumentFailed, errors.DeadlineExceeded, errors.InvalidInput, errors.LimitReached)
}


def who(request: Request) -> Caller:
    """The caller, as the queue counts them."""
    return Caller(caller(request).pk, request.auth.pk if isinstance(request.auth, ApiKey) else None)


def one_failed(task: Task) -> ProcessingError:
    """What a task that was not answered failed with, as an error of the request that waited for it."""
    if task.status == Status.CANCELLED:
        return errors.DocumentFailed("The task was cancelled.", "task_cancelled")
    family = _FAMILIES.get(task.error_type, ProcessingError)
    return family(task.error or "The document could not be read.", task.error_code or "internal_error")
