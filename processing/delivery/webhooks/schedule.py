"""When a message that was not taken is tried again: soon, then ever later, over two and a half days."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

_PAUSES = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=3),
    timedelta(hours=8),
    timedelta(hours=24),
    timedelta(hours=24),
)
TRIES = len(_PAUSES) + 1
LONGEST_WAIT = timedelta(hours=24)  # that a receiver may ask for
_JITTER = 0.2  # so that those that failed together do not come again together
DISABLED_AFTER = timedelta(days=3)  # of failures without a success


def pause(tries: int, asked: float | None) -> timedelta | None:
    """How long to wait after so many tries; None: that was the last. `asked` are the seconds of the receiver's
    `Retry-After`, before which it is not tried again."""
    if tries >= TRIES:
        return None
    own = _PAUSES[tries - 1] * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311
    return max(own, min(timedelta(seconds=asked), LONGEST_WAIT)) if asked else own


def now() -> datetime:
    """The moment by the database's clock, so that hosts need not agree on the time. SQLite's is this host's."""
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        found: datetime = cursor.fetchone()[0]
    return found
