"""When a task that could not begin comes up again: because its budget is in use, or the storage is away."""

from __future__ import annotations

import random
from datetime import timedelta

from django.utils import timezone

from processing.runtime.parameters import Parameters
from processing.tasks.models import Status, Task

STORAGE_SECONDS = 20.0  # until a task whose document could not be fetched comes up again
_STORAGE_PATIENCE = timedelta(hours=24)
_SHORTEST, _LONGEST = 2.0, 600.0  # seconds
_EACH = 0.4  # seconds for each task in the same position, of which one takes a tenth to come up in vain
_SHARE = 8  # of the time, one part in so many may go into coming up in vain where readings are not kept


def comes_up_in(task: Task, took: float, parameters: Parameters) -> float:
    """Seconds. Of many tasks that wait for one budget each comes up the later, the more they are: they are first in
    line, and others want to be worked on too. `took` is what coming up in vain took, in seconds."""
    others = Task.objects.filter(status=Status.QUEUED, owner_id=task.owner_id).order_by().count()
    each = _EACH if parameters.readings_lifetime is not None else _SHARE * took
    return min(_LONGEST, _SHORTEST + each * others) * random.uniform(0.75, 1.25)  # noqa: S311


def waits_for_storage(task: Task, *, asked: bool) -> bool:
    """Whether an attempt that found no storage counts as none. Not where a model was `asked` already, nor after a day:
    it may be this one document that the storage refuses."""
    return not asked and timezone.now() - task.created_at < _STORAGE_PATIENCE
