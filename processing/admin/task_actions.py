"""What the staff may do with tasks: end those that have not ended, and have failed or cancelled ones tried again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from processing.admin.actors import actor
from processing.errors import ProcessingError
from processing.queue import submit
from processing.runtime.configuration import current
from processing.tasks import lifecycle
from processing.tasks.models import FINAL, RETRYABLE, Task

Log = Callable[[HttpRequest, Task, str], object]


def can_be_cancelled(task: Task) -> bool:
    """Whether it has not ended."""
    return task.status not in FINAL


def can_be_retried(task: Task) -> bool:
    """Whether it ended without an answer, and its document is still known."""
    return task.status in RETRYABLE and task.document_id is not None


def cancel(request: HttpRequest, tasks: Iterable[Task], log: Log) -> None:
    """End those that have not ended; their workers stop. The others are left alone, and the next page says so."""
    cancelled, ended = 0, 0
    for task in tasks:
        try:
            with transaction.atomic():
                lifecycle.cancel(task.owner_id, task.id, actor(request))
                log(request, task, "Cancelled.")
        except ProcessingError:
            ended += 1
        else:
            cancelled += 1
    if cancelled:
        text = ngettext("%d task was cancelled.", "%d tasks were cancelled.", cancelled) % cancelled
        messages.success(request, text)
    if ended:
        text = ngettext("%d task had already ended.", "%d tasks had already ended.", ended) % ended
        messages.warning(request, text)


def retry(request: HttpRequest, tasks: Iterable[Task], log: Log) -> None:
    """Put them back in line, as far as that is possible; of the others the next page says why not."""
    parameters = current().parameters
    again, refused = 0, Counter[str]()
    for task in tasks:
        try:
            submit.retry(task.owner_id, task.id, actor(request), parameters)
        except ProcessingError as error:
            refused[error.detail] += 1
        else:
            again += 1
            log(request, task, "Tried again.")
    if again:
        messages.success(request, ngettext("%d task is tried again.", "%d tasks are tried again.", again) % again)
    for detail, count in refused.items():
        words = ngettext("%d task is not tried again:", "%d tasks are not tried again:", count) % count
        messages.warning(request, _("%(words)s %(reason)s") % {"words": words, "reason": detail})
