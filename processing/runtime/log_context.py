"""What a line of the log belongs to: the request that is being answered, or the task that is being worked on."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")
task_id: ContextVar[str] = ContextVar("task_id", default="")


@contextlib.contextmanager
def of_task(task: str, request: str) -> Iterator[None]:
    """What is logged in this thread belongs to the task, and to the request that it came with."""
    before = task_id.set(task), request_id.set(request)
    try:
        yield
    finally:
        task_id.reset(before[0])
        request_id.reset(before[1])


class InContext(logging.Filter):
    """Names request and task on each record whose author has not done so."""

    def filter(self, record: logging.LogRecord) -> bool:
        for name, known in (("request_id", request_id.get()), ("task", task_id.get())):
            if known and not hasattr(record, name):
                setattr(record, name, known)
        return True
