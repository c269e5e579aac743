"""Who may use a data directory: one service, with its processes, or one restore.

A second service would run the same tasks on the same host row, and whoever works while the data are replaced would
write to what is no longer there.
"""

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


@contextmanager
def used(directory: Path) -> Iterator[None]:
    """Work with the directory beside others: the web server and the workers, whether `serve` or a system starts them.

    Raises `DataDirectoryInUseError` while the data are being replaced.
    """
    with _locked(
        directory,
        fcntl.LOCK_SH,
        f"The data in {directory} are being replaced by another command. Start again when it is done.",
    ):
        yield


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Have the directory while no process of a service runs with it, and none can start.

    Raises `DataDirectoryInUseError`.
    """
    with (
        held(directory),
        _locked(
            directory,
            fcntl.LOCK_EX,
            f"Processes of API v2 run with the data directory {directory}: the web server or the workers. "
            "Stop them first.",
        ),
    ):
        yield


@contextmanager
def _locked(directory: Path, how: int, refusal: str) -> Iterator[None]:
    with (directory / "use.lock").open("a") as file:
        try:
            fcntl.flock(file, how | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataDirectoryInUseError(refusal) from None
        yield
