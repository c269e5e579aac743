"""A worker that works when somebody waits: for tests of those who wait, in one process and one transaction."""

from __future__ import annotations

import os
import time

import pytest

from processing.delivery import awaiting
from processing.errors import ProcessingError
from processing.pipeline import run
from processing.pipeline.meter import ClaimMeter
from processing.pipeline.options import RequestOptions
from processing.runtime.configuration import current
from processing.tasks import lifecycle


def work() -> bool:
    """Take the next task through to its end; whether there was one."""
    claim = lifecycle.claim("here", os.getpid(), 1)
    if claim is None:
        return False
    deadline = time.monotonic() + 60
    options = RequestOptions.restored(claim.task.options)
    try:
        outcome = run.run(claim, options, current().parameters, deadline, ClaimMeter(claim, deadline))
    except ProcessingError as error:
        lifecycle.fail(claim, error)
    else:
        lifecycle.complete(claim, outcome)
    return True


@pytest.fixture
def worker_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits finds one task more at its end, at each look."""
    monkeypatch.setattr(awaiting, "_rest", lambda _seconds: work())
