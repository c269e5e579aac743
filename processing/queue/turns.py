"""When a task whose budget is in use comes up again."""

from __future__ import annotations

import random

from processing.runtime.parameters import Parameters
from processing.tasks.models import Status, Task

_SHORTEST, _LONGEST = 2.0, 600.0  # seconds
_EACH = 0.4  # seconds for each task in the same position, of which one takes a tenth to come up in vain
_SHARE = 8  # of the time, one part in so many may go into coming up in vain where readings are not kept


def comes_up_in(task: Task, took: float, parameters: Parameters) -> float:
    """Seconds. Of many tasks that wait for one budget each comes up the later, the more they are: they are first in
    line, and others want to be worked on too. `took` is what coming up in vain took, in seconds."""
    others = Task.objects.filter(status=Status.QUEUED, owner_id=task.owner_id).order_by().count()
    each = _EACH if parameters.readings_lifetime is not None else _SHARE * took
    return min(_LONGEST, _SHORTEST + each * others) * random.uniform(0.75, 1.25)  # noqa: S311
