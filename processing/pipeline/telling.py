"""Tells those who watch a task what happens in it: that it began, which page is read, what the model says.

Nothing here waits or fails: what is told is written in the background (`tasks.journal.scribe`), and a task whose
watchers learn nothing is worked on all the same.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

from modelsregistry.generation import Listener
from processing.tasks.journal import scribe
from processing.tasks.journal.scribe import Notes
from processing.tasks.lifecycle import Claim
from processing.tasks.models import Status

_LAST_WORDS_WITHIN = 1.0  # seconds that the end of a task waits for what was said before it


class Telling:
    """Open while one claim is worked on; when it ends in order, all that was told has been written."""

    def __init__(self, claim: Claim) -> None:
        self._claim = claim
        self._notes = Notes(claim.task.seq, claim.token)
        self._has_text = claim.token > 1  # An earlier attempt may have said something, which does not count any more.

    def __enter__(self) -> Telling:
        self._tell("status", begun(str(self._claim.id), self._claim.task.attempts))
        self.restart()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or issubclass(kind, Exception):  # else somebody wants this worker to stop at once
            scribe.of_this_process().finish(self._notes, _LAST_WORDS_WITHIN)

    def progress(self, percent: float, step: str, *, page: int | None = None, pages: int | None = None) -> None:
        """How far the work is, in percent of the whole, and what it is doing."""
        self._tell("progress", {"progress": round(percent, 1), "step": step, "page": page, "pages": pages})

    def text(self, piece: str) -> None:
        """A piece of the answer."""
        if piece:
            self._has_text = True
            self._tell("delta", {"text": piece})

    def restart(self) -> None:
        """What was said so far is not the answer."""
        if self._has_text:
            self._has_text = False
            self._tell("delta", {"text": "", "reset": True})

    @property
    def listener(self) -> Listener:
        """For whoever asks the model."""
        return Listener(self.text, self.restart)

    def _tell(self, name: str, data: dict[str, Any]) -> None:
        scribe.of_this_process().put(self._notes, name, data)


def begun(task_id: str, attempts: int) -> dict[str, Any]:
    """What is told first, by whoever comes first: the worker here, or a reader who sees it on the task's row."""
    return {"task_id": task_id, "status": Status.PROCESSING.value, "attempts": attempts}
