"""The memory limit that a control group (v2 or v1) puts on this process, as containers and systemd units do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc/self/cgroup")
MOUNT = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class _Hierarchy:
    """Where a version of control groups keeps what we read."""

    mount: Path
    limit: str
    usage: str
    inactive: str


@dataclass(frozen=True, slots=True)
class MemoryLimit:
    """A limit in bytes, and the bytes of it in use without the file cache that the kernel would drop first."""

    limit: int
    working_set: int


def tightest_memory_limit(proc: Path = PROC, mount: Path = MOUNT) -> MemoryLimit | None:
    """The smallest limit on the way from this process's group to the root; None where nothing limits it.

    The files are described in the kernel's Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst.
    """
    found = [limit for group, kind in _groups(proc, mount) if (limit := _read(group, kind))]
    return min(found, key=lambda each: each.limit, default=None)


def _groups(proc: Path, mount: Path) -> Iterator[tuple[Path, _Hierarchy]]:
    try:
        lines = proc.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            kind = _Hierarchy(mount, "memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            kind = _Hierarchy(mount / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        # A container sees its own group as the mount's root while the path may still be the host's: what does not
        # exist here is skipped on the way up.
        group = kind.mount / path.lstrip("/")
        while True:
            yield group, kind
            if group == kind.mount or kind.mount not in group.parents:
                break
            group = group.parent


def _read(group: Path, kind: _Hierarchy) -> MemoryLimit | None:
    try:
        limit = int((group / kind.limit).read_text())  # "max" is no number, and no limit
        usage = int((group / kind.usage).read_text())
        stat = dict(line.split(" ", 1) for line in (group / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return None
    return MemoryLimit(limit, max(0, usage - int(stat.get(kind.inactive, 0))))
