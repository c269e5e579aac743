"""The limits that a control group (v2 or v1) puts on this process, as containers and systemd units do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc/self/cgroup")
MOUNT = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class _Memory:
    """The files of a group that tell of its memory, which differ between the versions."""

    limit: str
    usage: str
    inactive: str


_MEMORY = {
    2: _Memory("memory.max", "memory.current", "inactive_file"),
    1: _Memory("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}


@dataclass(frozen=True, slots=True)
class MemoryLimit:
    """A limit in bytes, and the bytes of it in use without the file cache that the kernel would drop first."""

    limit: int
    working_set: int


def tightest_memory_limit(proc: Path = PROC, mount: Path = MOUNT) -> MemoryLimit | None:
    """The smallest limit on the way from this process's group to the root; None where nothing limits it.

    The files are described in the kernel's Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst.
    """
    groups = _groups("memory", proc, mount)
    found = [limit for group, version in groups if (limit := _memory_limit(group, _MEMORY[version]))]
    return min(found, key=lambda each: each.limit, default=None)


def tightest_cpu_quota(proc: Path = PROC, mount: Path = MOUNT) -> float | None:
    """The smallest number of processors that a group on the way to the root may use at once, such as 1.5; None where
    nothing limits it.

    The files are described in the kernel's Documentation/admin-guide/cgroup-v2.rst and scheduler/sched-bwc.rst.
    """
    found = [quota for group, version in _groups("cpu", proc, mount) if (quota := _cpu_quota(group, version))]
    return min(found, default=None)


def _groups(controller: str, proc: Path, mount: Path) -> Iterator[tuple[Path, int]]:
    """The groups of this process that have a say about the controller, each with the version of control groups."""
    try:
        lines = proc.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            root, version = mount, 2
        elif controller in controllers.split(","):
            root, version = mount / controller, 1
        else:
            continue
        # A container sees its own group as the mount's root while the path may still be the host's: what does not
        # exist here is skipped on the way up.
        group = root / path.lstrip("/")
        while True:
            yield group, version
            if group == root or root not in group.parents:
                break
            group = group.parent


def _memory_limit(group: Path, files: _Memory) -> MemoryLimit | None:
    try:
        limit = int((group / files.limit).read_text())  # "max" is no number, and no limit
        usage = int((group / files.usage).read_text())
        stat = dict(line.split(" ", 1) for line in (group / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return None
    return MemoryLimit(limit, max(0, usage - int(stat.get(files.inactive, 0))))


def _cpu_quota(group: Path, version: int) -> float | None:
    """Microseconds of processor time that may be used in a period, over that period's."""
    try:
        if version == 2:
            quota, period = (group / "cpu.max").read_text().split()
        else:
            quota, period = ((group / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        processors = int(quota) / int(period)  # Unlimited is "max", which is no number, or -1
    except (OSError, ValueError, ZeroDivisionError):
        return None
    return processors if processors > 0 else None
