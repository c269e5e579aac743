"""Putting restored files in the place of the old ones so that whoever starts next finds either, and never half of each.

The moves are written down before the first is made. Whoever finds them written finishes them: each may be made again.
Needs nothing of Django, because settings look here before they read the data directory.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

STAGED = ".restoring"  # what a file that is to take another's place is called behind its name
_PLAN = "restore.plan"
_LOCK = "restore.lock"


def staged(target: Path) -> Path:
    """Where to prepare what is to become `target`: beside it, on the same file system, also where it is a link."""
    target = target.resolve()
    return target.with_name(target.name + STAGED)


def commit(data_dir: Path, targets: Sequence[Path], removed: Sequence[Path]) -> None:
    """Put what is staged for each of `targets` in its place, and take `removed` away. From the moment that the plan has
    its name, the new files are what holds, even if this process ends here."""
    for target in targets:
        _sync(staged(target))
    root = data_dir.resolve()  # the plan goes with the directory, wherever it is mounted when somebody finishes it
    plan = {
        "targets": [os.path.relpath(target.resolve(), root) for target in targets],
        "removed": [os.path.relpath(path.resolve(), root) for path in removed],
    }
    draft = data_dir / f"{_PLAN}{STAGED}"
    draft.write_text(json.dumps(plan))
    _sync(draft)
    with _alone(data_dir):
        draft.replace(data_dir / _PLAN)
        _sync(data_dir)
    finish(data_dir)


def finish(data_dir: Path) -> bool:
    """Make the moves that were written down and perhaps not made; returns whether there were any. One look at a
    directory where there are none."""
    plan = data_dir / _PLAN
    if not plan.exists():
        return False
    with _alone(data_dir):
        if not plan.exists():  # another process has finished them
            return False
        _make(data_dir.resolve(), json.loads(plan.read_text()))
        plan.unlink()
        _sync(data_dir)
    return True


def discard(data_dir: Path, targets: Sequence[Path]) -> None:
    """Remove what a restore that was broken off has left; the old files are in their places."""
    for target in targets:
        staged(target).unlink(missing_ok=True)
    (data_dir / f"{_PLAN}{STAGED}").unlink(missing_ok=True)


def _make(data_dir: Path, plan: Mapping[str, Sequence[str]]) -> None:
    """What is to go goes first: a database never meets the log of another."""
    folders = set()
    for name in plan["removed"]:
        (data_dir / name).unlink(missing_ok=True)
    for name in plan["targets"]:
        target = data_dir / name
        folders.add(target.parent)
        if staged(target).exists():
            staged(target).replace(target)
    for folder in folders:
        _sync(folder)


@contextmanager
def _alone(data_dir: Path) -> Iterator[None]:
    with (data_dir / _LOCK).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
