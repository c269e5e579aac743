"""What can go wrong with a call."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apiv2.shapes import Task


class ApiError(Exception):
    """The service refused a call; `code` is stable and machine-readable, `retry_after` is in seconds."""

    def __init__(self, status: int, detail: str, code: str, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.code = code
        self.retry_after = retry_after


class ApiUnreachable(Exception):
    """Nobody answers at the service's address, or what answers is not API v2."""


class TaskFailed(Exception):
    """A task ended without an answer: it failed, or was cancelled."""

    def __init__(self, task: Task) -> None:
        super().__init__(task.error or f"The task was {task.status}.")
        self.task = task


class TookTooLong(Exception):
    """The time to wait for a task is over. The task goes on."""

    def __init__(self, task: Task) -> None:
        super().__init__(f"The task {task.task_id} is still {task.status}.")
        self.task = task
