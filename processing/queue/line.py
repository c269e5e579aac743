"""Where a task stands in the line of those that wait, in a time that does not grow with the line.

The first thousand are counted as they stand. Behind them the count is put together of three parts: the thousand, the
rest of the block that the thousandth stands in and the task's own block, both counted as they stand, and the blocks
between, whose sizes a process counts every few seconds. A block is a thousand numbers of arrival, the same for every
process. Between the ends of a line only cancelling takes away and only a retry adds, so that a position is wrong by
what was cancelled or tried again there in those seconds, and rises with retries alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Count, F

from processing.tasks.models import Status, Task

EXACT = 1000  # tasks at the head that are always counted
BLOCK = 1000  # numbers of arrival
_FRESH = 5.0  # seconds that the sizes of blocks are used for
_SHARE = 50  # of the time, one part in so many may go into counting blocks

# Clients poll: these are written once, not built anew at each read. Each is a walk of so many entries of the index
# `task_waiting`, whose condition the first words are.
_WAITING = f"FROM {Task._meta.db_table} /* hint */ WHERE status = 'queued'"
_NEAR = f"""SELECT
  (SELECT COUNT(*) FROM (SELECT 1 {_WAITING} AND priority > %s LIMIT {EXACT + 1}) above),
  (SELECT COUNT(*) FROM (SELECT 1 {_WAITING} AND priority = %s AND seq < %s LIMIT {EXACT + 1}) before),
  (SELECT seq {_WAITING} AND priority = %s ORDER BY seq LIMIT 1 OFFSET {EXACT})"""  # noqa: S608
_FAR = f"""SELECT
  (SELECT COUNT(*) {_WAITING} AND priority = %s AND seq >= %s AND seq < %s)
  + (SELECT COUNT(*) {_WAITING} AND priority = %s AND seq >= %s AND seq < %s)"""


@dataclass(frozen=True, slots=True)
class _Blocks:
    """How many tasks waited in each block, by priority; `last` is the newest block of each."""

    sizes: Mapping[int, Mapping[int, int]]
    last: Mapping[int, int]
    counted_at: float
    took: float

    def is_fresh(self) -> bool:
        return time.monotonic() - self.counted_at < max(_FRESH, _SHARE * self.took)


_blocks: _Blocks | None = None
_counting = threading.Lock()


def ahead_of(seq: int, priority: int) -> int:
    """How many waiting tasks come before this one."""
    above, before, thousandth = _asked(_NEAR, (priority, priority, seq, priority))
    if above > EXACT:
        sizes = _known_blocks().sizes
        above = max(above, sum(sum(blocks.values()) for level, blocks in sizes.items() if level > priority))
    if before > EXACT and thousandth is not None and thousandth < seq:
        before = _far(seq, priority, thousandth)
    return int(above + before)


def forget() -> None:
    """Count blocks anew at the next question."""
    global _blocks
    _blocks = None


def _far(seq: int, priority: int, thousandth: int) -> int:
    """The tasks before this one, of its priority, where those before `thousandth` are `EXACT`."""
    known = _known_blocks()
    first = thousandth // BLOCK + 1
    own = max(first, min(seq // BLOCK, known.last.get(priority, 0)))
    ends = (priority, thousandth, min(first * BLOCK, seq), priority, own * BLOCK, seq)
    between = known.sizes.get(priority, {})
    return EXACT + int(_asked(_FAR, ends)[0]) + sum(between.get(block, 0) for block in range(first, own))


def _asked(query: str, values: tuple[int, ...]) -> tuple[Any, ...]:
    # Without statistics SQLite would rather read every waiting task by `task_by_status`.
    hint = "INDEXED BY task_waiting" if connection.vendor == "sqlite" else ""
    with connection.cursor() as cursor:
        cursor.execute(query.replace("/* hint */", hint), values)
        row: tuple[Any, ...] = cursor.fetchone()
    return row


def _known_blocks() -> _Blocks:
    """The sizes of blocks; while one thread counts, others go on with what is known."""
    global _blocks
    known = _blocks
    if known is not None and (known.is_fresh() or not _counting.acquire(blocking=False)):
        return known
    if known is None:
        _counting.acquire()
    try:
        if known is _blocks:
            _blocks = _counted()
        return _blocks or known or _counted()
    finally:
        _counting.release()


def _counted() -> _Blocks:
    began = time.monotonic()
    sizes: dict[int, dict[int, int]] = {}
    waiting = Task.objects.filter(status=Status.QUEUED).order_by()
    rows = waiting.values_list("priority", F("seq") / BLOCK).annotate(size=Count("seq"))
    for priority, block, size in rows:
        sizes.setdefault(priority, {})[int(block)] = size
    last = {priority: max(blocks) for priority, blocks in sizes.items()}
    return _Blocks(sizes, last, began, time.monotonic() - began)
