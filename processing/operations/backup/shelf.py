"""The directory that archives lie in: one backup at a time, drafts that get their name when they are whole, and how
many are kept."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from processing.operations.backup.errors import BackupFailedError

_NAME = re.compile(r"api-v2-\d{8}T\d{6}Z\.tar(\.age)?", re.ASCII)
_DRAFT = ".api-v2-draft-"


@dataclass(frozen=True, slots=True)
class Draft:
    """A private directory beside the archives that goes with the backup; `archive` is what will become one of them."""

    directory: Path

    @property
    def archive(self) -> Path:
        return self.directory / "archive"


@contextmanager
def drafting(shelf: Path) -> Iterator[Draft]:
    """A draft that nobody else has, and nothing is left of afterwards. What a killed backup has left goes before.

    Raises `BackupFailedError` while another backup is being made here.
    """
    shelf.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (shelf / ".api-v2-backup.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupFailedError(f"Another backup to {shelf} is being made.") from None
        for left in shelf.glob(f"{_DRAFT}*"):
            shutil.rmtree(left, ignore_errors=True)
        directory = Path(tempfile.mkdtemp(prefix=_DRAFT, dir=shelf))  # made with mode 0700
        try:
            yield Draft(directory)
        finally:
            shutil.rmtree(directory, ignore_errors=True)


def publish(draft: Draft, shelf: Path, made_at: datetime, *, is_sealed: bool) -> Path:
    """Give the finished archive its name; it survives a power cut from then on."""
    name = f"api-v2-{made_at.astimezone(UTC):%Y%m%dT%H%M%SZ}.tar{'.age' if is_sealed else ''}"
    path = shelf / name
    with draft.archive.open("rb+") as file:
        os.fsync(file.fileno())
    if path.exists():  # nobody else makes one here meanwhile
        raise BackupFailedError(f"{path} exists already.")
    draft.archive.rename(path)
    descriptor = os.open(shelf, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return path


def prune(shelf: Path, keep: int) -> list[Path]:
    """Delete all archives but the `keep` newest, by their names; returns those that went."""
    archives = sorted(path for path in shelf.iterdir() if _NAME.fullmatch(path.name))
    old = archives[: max(0, len(archives) - keep)]
    for path in old:
        path.unlink()
    return old
