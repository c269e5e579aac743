"""Waiting for a database that is away: a task that only reads loses nothing by it but time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection

logger = logging.getLogger(__name__)

_PAUSE = 0.5  # seconds between two tries
Answer = TypeVar("Answer")


def patiently(ask: Callable[[], Answer], deadline: float) -> Answer:
    """What `ask` returns, which may be called again and again until `deadline` (a `time.monotonic()` value); after that
    the database's error is raised."""
    told = False
    while True:
        try:
            return ask()
        except (OperationalError, InterfaceError):
            connection.close()
            if time.monotonic() + _PAUSE >= deadline:
                raise
            if not told:
                logger.warning("work waits for the database", exc_info=True)
            told = True
            time.sleep(_PAUSE)
