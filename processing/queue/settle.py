"""Puts what became of a task on its row, and does not let go of it while the database does not answer."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from django.db import InterfaceError, OperationalError, connection

from processing.tasks import lifecycle
from processing.tasks.lifecycle import Claim

logger = logging.getLogger(__name__)

_PAUSE = 0.5  # seconds between two tries


def settle(claim: Claim, write: Callable[[], bool]) -> bool:
    """What `write` returns, which is one of the verbs that end a claim: True when it was written.

    The work has been done, so it is worth waiting for a database that restarts. That has an end: once the database
    answers, either the write is taken or the lease runs out, another worker gets the task, and this one learns of it.
    """
    failures = 0
    while True:
        try:
            if failures and not lifecycle.still_held(claim):
                logger.warning("outcome dropped after an outage of the database", extra={"task": claim.id})
                return False
            return write()
        except (OperationalError, InterfaceError):
            connection.close()
            failures += 1
            if failures == 1:
                logger.warning("outcome waits for the database", extra={"task": claim.id}, exc_info=True)
            time.sleep(_PAUSE)
