"""The metrics of this host's web processes, each of which keeps a file of its own, as `prometheus_client` does it for
several processes. Whoever is asked adds the files up.

What a process counted that has ended stays counted: its files are merged into one, so that they do not pile up.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
from django.conf import settings
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from processing.operations import count_files
from processing.operations.count_files import AllocatedDict

_PARENT = "web.pid"
_DEAD = 0  # stands for the process number of all that have ended
_LOCK = "lock"


def begin() -> None:
    """In the web server's parent, before it loads a view: forget what a former server has counted."""
    shutil.rmtree(settings.WEB_METRICS_DIR, ignore_errors=True)
    settings.WEB_METRICS_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    (settings.WEB_METRICS_DIR / _PARENT).write_text(str(os.getpid()))
    count_files.use()


class WebCollector(Collector):
    """What django-prometheus counts, over all web processes of this host."""

    def describe(self) -> list[Family]:
        return []

    def collect(self) -> Iterator[Family]:
        directory: Path = settings.WEB_METRICS_DIR
        if not directory.is_dir():
            return
        with contextlib.suppress(OSError):  # With room on the disk again it is done.
            merge_dead(directory)
        with _locked(directory, fcntl.LOCK_SH):
            yield from MultiProcessCollector(None, str(directory)).collect()


class ProcessCollector(Collector):
    """What the web server takes: its parent and its web processes together."""

    def describe(self) -> list[Family]:
        return []

    def collect(self) -> Iterator[Family]:
        processes = _web_processes()
        memory = sum(each.memory_info().rss for each in processes)
        cpu = sum(sum(each.cpu_times()[:2]) for each in processes)
        ended = sum(processes[0].cpu_times()[2:4]) if processes else 0.0  # of children that ended
        yield GaugeMetricFamily("process_processes", "Processes of the web server on this host.", len(processes))
        yield GaugeMetricFamily(
            "process_resident_memory_bytes", "Their resident memory; what they share counts once for each.", memory
        )
        yield GaugeMetricFamily("process_open_fds", "Their open files.", sum(each.num_fds() for each in processes))
        yield CounterMetricFamily(
            "process_cpu_seconds_total", "Their processor time, and that of those that ended.", cpu + ended
        )
        if processes:
            yield GaugeMetricFamily(
                "process_start_time_seconds", "When the web server was started.", processes[0].create_time()
            )


def merge_dead(directory: Path) -> None:
    """Add the files of processes that have ended to one file. Whoever reads or merges at the same time waits."""
    if not any(_is_dead(path) for path in directory.glob("*_*.db")):
        return
    with _locked(directory, fcntl.LOCK_EX):
        for path in [each for each in directory.glob("*_*.db") if _is_dead(each)]:
            kind = path.name.partition("_")[0]
            if kind in ("counter", "histogram", "summary"):
                _merge(path, directory / f"{kind}_{_DEAD}.db")
            path.unlink()


def _merge(path: Path, into: Path) -> None:
    """By a copy that takes the file's place, so that a death in between leaves no half."""
    draft = into.with_suffix(".draft")
    draft.unlink(missing_ok=True)  # of a death in between
    if into.exists():
        shutil.copy(into, draft)
    with contextlib.closing(AllocatedDict(str(draft))) as sums:
        for key, value, _timestamp, _place in AllocatedDict.read_all_values_from_file(str(path)):
            sums.write_value(key, sums.read_value(key)[0] + value, 0.0)
    draft.replace(into)


def _is_dead(path: Path) -> bool:
    number = path.stem.rpartition("_")[2]
    return number.isdigit() and int(number) != _DEAD and not psutil.pid_exists(int(number))


@contextlib.contextmanager
def _locked(directory: Path, how: int) -> Iterator[None]:
    with (directory / _LOCK).open("a") as file:
        fcntl.flock(file, how)  # The kernel lets go of it with the file.
        yield


def _web_processes() -> list[psutil.Process]:
    """The parent first; none where no web server runs from this data directory."""
    try:
        parent = psutil.Process(int((settings.WEB_METRICS_DIR / _PARENT).read_text()))
        own = parent.cmdline()
        return [parent, *(each for each in parent.children() if each.cmdline() == own)]
    except (OSError, ValueError, psutil.Error):
        return []
