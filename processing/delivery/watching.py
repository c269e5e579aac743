"""Watching tasks: one thread of each process looks at all that anybody there watches, and wakes whom it concerns.

So a thousand watchers cost the database as much as one: two questions in each look. What has happened is kept as the
frames that are sent, once for all watchers of a task; a watcher is its place among them. Threads and event loops watch
alike: they say how they want to be woken.
"""

from __future__ import annotations

import bisect
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from django.db import Error, connection

from processing.delivery import events
from processing.delivery.events import Event, Standing
from processing.tasks.journal import keeping
from processing.tasks.journal.contract import Entry, JournalUnavailableError
from processing.tasks.models import Task

logger = logging.getLogger(__name__)

_LOOK = 0.1  # seconds between two looks
_AFTER_FAILURE = 1.0
_LINGER = 5.0  # seconds that the thread, and its connection, outlive the last watcher
_ASKED_AT_ONCE = 500  # tasks in one question

Body = Callable[[int], str | None]


@dataclass(eq=False, slots=True)
class _Story:
    """What has happened in one task, as far as this process has seen."""

    seq: int
    events: list[Event] = field(default_factory=list)
    standing: Standing | None = None
    is_over: bool = False  # nothing more will come
    watchers: set[Watcher] = field(default_factory=set)

    @property
    def seen(self) -> int:
        """The number of the last event."""
        return self.events[-1].number if self.events else -1

    def go_on(self, standing: Standing | None, told: list[Entry], body: Body) -> bool:
        """Add what is new; whether something is. `standing` was read before what was `told`, so that whatever a worker
        told before the end is there when the end is."""
        if standing is None:  # erased
            self.is_over = True
            self.events.clear()
            return True
        changed = self.standing != standing
        self.standing = standing
        new = [events.told(entry) for entry in told]
        if standing.has_ended:
            shown = body(standing.seq)
            if shown is not None:  # else it was put back in line just now, and the next look sees it
                new.append(events.ended(standing, shown))
        elif changed:
            new.append(events.moved(standing))
        for event in sorted(new, key=lambda event: event.number):
            if event.number > self.seen:
                self.events.append(event)
        self.is_over = bool(self.events) and self.events[-1].is_last
        return changed or bool(new)


class Watcher:
    """One who watches a task, from where it stands now, or from `after` an event that it has seen."""

    __slots__ = ("_after", "_leave", "_story", "wake")

    def __init__(
        self, story: _Story, after: int | None, wake: Callable[[], None], leave: Callable[[Watcher], None]
    ) -> None:
        self._story = story
        self._after = after
        self._leave = leave
        self.wake = wake

    def take(self) -> list[Event]:
        """What has happened since the last time."""
        story = self._story
        if story.standing is None:
            return []
        if self._after is None:
            self._after = story.standing.first - 1
        new = story.events[bisect.bisect_right(story.events, self._after, key=lambda event: event.number) :]
        if new:
            self._after = new[-1].number
        return new

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come than can be taken now."""
        return self._story.is_over

    def leave(self) -> None:
        """Watch no more."""
        self._leave(self)

    @property
    def story(self) -> _Story:
        return self._story


class Watch:
    """All that this process watches. `body` gives a task that has ended as its status is read, as JSON on one line, and
    None where it has not ended (any more)."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self._stories: dict[int, _Story] = {}
        self._lock = threading.Lock()
        self._look_now = threading.Event()
        self._thread: threading.Thread | None = None
        self._pid = os.getpid()
        self._linger = _LINGER

    def join(self, seq: int, after: int | None, wake: Callable[[], None]) -> Watcher:
        """Watch a task; `wake` is called, in another thread, when there is something to take, or its end has come."""
        with self._lock:
            story = self._stories.get(seq)
            if story is None or story.is_over:  # A task that has ended may have been put back in line.
                story = self._stories[seq] = _Story(seq)
            watcher = Watcher(story, after, wake, self._leave)
            story.watchers.add(watcher)
            self._look_out()
        self._look_now.set()
        return watcher

    def until_end(self, seq: int, seconds: float) -> bool:
        """Wait for the end of a task; whether it has come within that time."""
        woken = threading.Event()
        watcher = self.join(seq, None, woken.set)
        until = time.monotonic() + seconds
        try:
            while not watcher.is_over and (left := until - time.monotonic()) > 0:
                woken.clear()
                if not watcher.is_over:
                    woken.wait(left)
            return watcher.is_over
        finally:
            watcher.leave()

    def forget(self) -> None:
        """Forget all watchers, and let the thread go with its connection."""
        with self._lock:
            self._stories.clear()
            self._linger = 0.0
            thread = self._thread
        self._look_now.set()
        if thread is not None:
            thread.join()
        self._linger = _LINGER

    def _leave(self, watcher: Watcher) -> None:
        story = watcher.story
        with self._lock:
            story.watchers.discard(watcher)
            if not story.watchers and self._stories.get(story.seq) is story:
                del self._stories[story.seq]

    def _look_out(self) -> None:
        """Have a thread that looks: under the lock."""
        if self._thread is None or not self._thread.is_alive() or self._pid != os.getpid():
            self._pid = os.getpid()
            self._thread = threading.Thread(target=self._run, name="watching", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        idle_since = time.monotonic()
        while True:
            with self._lock:
                watched = {seq: story for seq, story in self._stories.items() if not story.is_over}
                if self._stories:
                    idle_since = time.monotonic()
                elif time.monotonic() - idle_since >= self._linger:
                    self._thread = None
                    break
            self._look_now.clear()
            pause = self._looked_at(watched)
            if pause > _LOOK:
                time.sleep(pause)
            else:
                self._look_now.wait(pause)
        connection.close()

    def _looked_at(self, watched: Mapping[int, _Story]) -> float:
        """Look once; returns the seconds until the next look."""
        try:
            for at in range(0, len(watched), _ASKED_AT_ONCE):
                self._look(dict(list(watched.items())[at : at + _ASKED_AT_ONCE]))
        except (Error, JournalUnavailableError):
            logger.warning("tasks could not be watched", exc_info=True)
            connection.close()
            return _AFTER_FAILURE
        except Exception:
            logger.exception("tasks could not be watched")
            connection.close()
            return _AFTER_FAILURE
        return _LOOK

    def _look(self, watched: Mapping[int, _Story]) -> None:
        standings = _standings(watched)
        told: dict[int, list[Entry]] = {}
        for entry in keeping.store().read({seq: story.seen for seq, story in watched.items()}):
            told.setdefault(entry.seq, []).append(entry)
        for seq, story in watched.items():
            if story.go_on(standings.get(seq), told.get(seq, []), self._body):
                with self._lock:
                    watchers = list(story.watchers)
                for watcher in watchers:
                    watcher.wake()


def _standings(seqs: Mapping[int, object]) -> dict[int, Standing]:
    rows = Task.objects.filter(seq__in=list(seqs)).values_list("seq", "id", "status", "lease_token", "attempts")
    return {seq: Standing(seq, str(id_), status, token, attempts) for seq, id_, status, token, attempts in rows}
