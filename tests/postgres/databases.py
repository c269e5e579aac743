"""Services on either database, for tests of what must hold on both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.stack.service import RunningService, running_service

KINDS = ("sqlite", "postgresql")


@contextmanager
def restartable_service(directory: Path, database_url: str | None, **variables: Any) -> Iterator[RunningService]:
    """A service that a test may end and start again; whichever process it has last ends with the block."""
    if database_url is not None:
        variables["DATABASE_URL"] = database_url
    with running_service(directory, **variables) as running:
        first = running.process
        try:
            yield running
        finally:
            if running.process is not first and running.process.poll() is None:
                running.end()
