"""How many documents a host may process at once, from the memory that this process may use."""

from __future__ import annotations

import functools
import os
import time
from dataclasses import dataclass
from typing import Literal

import psutil
from django.conf import settings

from processing.runtime import cgroup
from processing.runtime.parameters import Parameters

Policy = Literal["safe", "recommended", "optimal"]

GIB = 1024**3
MB = 1024**2
MB_PER_DOCUMENT = 520
SHARE_FOR_DOCUMENTS = 0.7
MB_PER_RECOGNITION = 800
SHARE_FOR_RECOGNITION = 0.35
# A machine sold as 16 GB shows some 15.5 GiB: a step is reached 5 % early.
TOLERANCE = 0.95

# (GB from which the row holds, documents at once), the greatest first.
SAFE_STEPS = ((512, 30), (32, 6), (16, 3))
RECOMMENDED_STEPS = ((256, 30), (128, 24), (64, 12), (32, 6), (16, 3))
OPTIMAL_CAP = 30

_SELDOM = 10.0  # seconds: limits hardly ever change, and the kernel takes its time to tell them


@dataclass(frozen=True, slots=True)
class MemoryUsage:
    """How full the memory is that this process may use. Page cache that can be dropped counts as free."""

    used_percent: float
    available_mb: float
    total_mb: float


def usable_ram() -> int:
    """Bytes that this process may use: the machine's memory or the limit of its control group, the smaller; as it was
    at most `_SELDOM` ago."""
    return _looked_up(int(time.monotonic() / _SELDOM))


@functools.lru_cache(maxsize=1)
def _looked_up(_span: int) -> int:
    machine: int = psutil.virtual_memory().total
    limit = cgroup.tightest_memory_limit()
    return min(machine, limit.limit) if limit else machine


def memory_usage() -> MemoryUsage:
    """The working set of the limiting control group against its limit, or that of the machine, at most a second old."""
    return _measured(int(time.monotonic()))


@functools.lru_cache(maxsize=1)
def _measured(_second: int) -> MemoryUsage:
    machine = psutil.virtual_memory()
    limit = cgroup.tightest_memory_limit()
    if limit and limit.limit < machine.total:
        total, available = limit.limit, max(0, limit.limit - limit.working_set)
    else:
        total, available = machine.total, machine.available
    return MemoryUsage(
        used_percent=round(100 * (1 - available / total), 1),
        available_mb=round(available / MB, 1),
        total_mb=round(total / MB, 1),
    )


def max_concurrent(policy: Policy, ram_bytes: int, cores: int) -> int:
    """Documents that may be processed at once with this memory: at least 1.

    `safe` is the administrator guide's function, `recommended` its table (between two rows the lower one), `optimal`
    the formula of its tuning section.
    """
    by_memory = int(ram_bytes / MB * SHARE_FOR_DOCUMENTS / MB_PER_DOCUMENT)
    if policy == "optimal":
        return max(1, min(by_memory, cores * 2, OPTIMAL_CAP))
    if policy == "recommended":
        return _step(RECOMMENDED_STEPS, ram_bytes)
    return max(1, min(by_memory, _step(SAFE_STEPS, ram_bytes)))


def _step(steps: tuple[tuple[int, int], ...], ram_bytes: int) -> int:
    return next((documents for gb, documents in steps if ram_bytes >= gb * GIB * TOLERANCE), 1)


def effective_max_concurrent(parameters: Parameters) -> int:
    """Documents that this host processes at once: what an administrator set, else what the policy makes of its
    memory."""
    if parameters.max_concurrent is not None:
        return parameters.max_concurrent
    return max_concurrent(settings.API_V2_CONCURRENCY_POLICY, usable_ram(), usable_cores())


def max_concurrent_ocr(ram_bytes: int, cores: int, threads: int) -> int:
    """Documents whose text may be recognised at once, each with `threads` threads, so that neither this memory nor
    these processors are spent twice: at least 1."""
    return max(1, min(int(ram_bytes / MB * SHARE_FOR_RECOGNITION / MB_PER_RECOGNITION), cores // threads))


def effective_max_concurrent_ocr(parameters: Parameters, threads: int) -> int:
    """Documents whose text this host recognises at once: what an administrator set, else what its memory and its
    processors bear."""
    if parameters.max_concurrent_ocr is not None:
        return parameters.max_concurrent_ocr
    return max_concurrent_ocr(usable_ram(), usable_cores(), threads)


def usable_cores() -> int:
    """Processors that this process may keep busy: those that it may run on, or as many whole ones as the quota of its
    control group allows, the fewer; as it was at most `_SELDOM` ago."""
    return _counted(int(time.monotonic() / _SELDOM))


@functools.lru_cache(maxsize=1)
def _counted(_span: int) -> int:
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cgroup.tightest_cpu_quota()
    return allowed if quota is None else max(1, min(allowed, int(quota)))
