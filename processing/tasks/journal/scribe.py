"""Writes a process's entries in the background, a few times a second, so that no work waits for them.

A thread of its own, because what a model has said has to be written when the model falls silent, too. What cannot be
written is dropped, and the answer so far is told anew when the journal is back: nobody who watches is left with a gap.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from django.db import Error, connection

from processing.tasks.journal import contract, keeping
from processing.tasks.journal.contract import Entry, JournalUnavailableError

logger = logging.getLogger(__name__)

_EVERY = 0.2  # seconds between two writes about one task
_LEFT_ALONE_FOR = 2.0  # seconds that a journal which failed is not asked again
_MOST_TEXT = 8 * 1024 * 1024  # characters of one answer that are told


@dataclass(slots=True)
class Notes:
    """What one claim tells. All but `seq` and `token` is the scribe's own."""

    seq: int
    token: int
    last_written: float = field(default_factory=time.monotonic)
    count: int = 0
    text: list[str] = field(default_factory=list)  # of the answer, since it last began
    length: int = 0
    lost: bool = False
    waiting: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def add(self, name: str, data: dict[str, Any]) -> None:
        """Of what the model says, all that waits becomes one event."""
        if name == "delta":
            if data.get("reset"):
                self.text.clear()
                self.length = 0
            self.length += len(data["text"])
            if self.length > _MOST_TEXT:
                return
            self.text.append(data["text"])
            last = self.waiting[-1] if self.waiting else None
            if last is not None and last[0] == "delta" and not data.get("reset"):
                last[1]["text"] += data["text"]
                return
        self.waiting.append((name, dict(data)))

    def take(self) -> list[Entry]:
        """What is to be written now."""
        waiting, self.waiting = self.waiting, []
        if self.lost:
            waiting = [each for each in waiting if each[0] != "delta"]
            waiting.append(("delta", {"text": "".join(self.text), "reset": True}))
        first = self.count
        self.count += len(waiting)
        return [
            Entry(self.seq, contract.number(self.token, first + at), name, json.dumps(data))
            for at, (name, data) in enumerate(waiting)
            if first + at < contract.MOST
        ]


@dataclass(frozen=True, slots=True)
class _Item:
    notes: Notes | None
    name: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    written: threading.Event | None = None  # to be set when all that came before is written


class Scribe:
    """One thread, which begins with the first entry. `put` may be interrupted by a signal at any moment."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._items: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._alone_until = 0.0
        self._thread = threading.Thread(target=self._run, name="scribe", daemon=True)
        self._thread.start()

    def put(self, notes: Notes, name: str, data: dict[str, Any]) -> None:
        """Have it written soon."""
        self._items.put(_Item(notes, name, data))

    def finish(self, notes: Notes, seconds: float) -> bool:
        """Have all of it written now; whether it was, within that time."""
        written = threading.Event()
        self._items.put(_Item(notes, written=written))
        return written.wait(seconds)

    def end(self) -> None:
        """Let the thread end, and its connection with it."""
        self._items.put(_Item(None))
        self._thread.join()

    def _run(self) -> None:
        notes: Notes | None = None
        while True:
            item = self._next(notes)
            if item is None:
                notes = self._write(notes)
                continue
            if notes is not None and item.notes is not notes:
                self._write(notes)
            notes = item.notes
            if notes is None:
                connection.close()
                return
            if item.written is None:
                notes.add(item.name, item.data)
            else:
                self._write(notes)
                notes = None
                item.written.set()

    def _next(self, notes: Notes | None) -> _Item | None:
        """The next item; None when it is time to write what waits."""
        if notes is None or not notes.waiting:
            return self._items.get()
        try:
            left = notes.last_written + _EVERY - time.monotonic()
            return self._items.get(timeout=left) if left > 0 else None
        except queue.Empty:
            return None

    def _write(self, notes: Notes | None) -> Notes | None:
        """Write what waits, or lose it."""
        if notes is None or not notes.waiting:
            return notes
        notes.last_written = time.monotonic()
        if notes.last_written < self._alone_until:
            notes.waiting.clear()
            notes.lost = True
            return notes
        entries = notes.take()
        try:
            if entries:
                keeping.store().append(entries)
            notes.lost = False
        except (Error, JournalUnavailableError) as error:
            self._give_up(notes, error)
        except Exception:
            logger.exception("events could not be written")
            self._give_up(notes, None)
        return notes

    def _give_up(self, notes: Notes, error: Exception | None) -> None:
        notes.lost = True
        self._alone_until = time.monotonic() + _LEFT_ALONE_FOR
        if error is not None:
            logger.warning("events could not be written", extra={"reason": str(error)})
        connection.close()


_scribe: Scribe | None = None


def of_this_process() -> Scribe:
    """The one that this process has; a child of a fork needs its own."""
    global _scribe
    if _scribe is None or _scribe.pid != os.getpid():
        _scribe = Scribe()
    return _scribe


def forget() -> None:
    """End it; the next entry begins a new one."""
    global _scribe
    if _scribe is not None and _scribe.pid == os.getpid():
        _scribe.end()
    _scribe = None
