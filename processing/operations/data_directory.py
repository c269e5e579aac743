"""One service to a data directory: a second one would run the same tasks on the same host row."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class DataDirectoryInUseError(Exception):
    """Another service runs with this data directory; the message is a sentence for a person."""


@contextmanager
def held(directory: Path) -> Iterator[None]:
    """Hold the directory for the length of the context; the kernel lets go when the process ends, however it ends."""
    with (directory / "serve.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            who = file.read().strip() or "unknown"
            raise DataDirectoryInUseError(
                f"API v2 already runs with the data directory {directory} (process {who}). "
                "Stop it first, or set API_V2_DATA_DIR to another directory."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
