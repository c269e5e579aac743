"""The memory of the whole service: all its processes' proportional shares (PSS), so that shared pages count once."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from benchmarks import documents
from benchmarks.client import Client
from benchmarks.service import Service, fresh_service
from benchmarks.table import Row

_EVERY = 0.2  # seconds between two samples
_IDLE = 5.0  # seconds
_REPORTS = 20


def rows() -> list[Row]:
    """The peak while nothing is asked, while PDFs are read one after the other, and while a picture is read."""
    with fresh_service() as service, Client(service.url, service.new_key()) as client:
        idle = _peak(service, lambda: time.sleep(_IDLE))
        reports = _peak(service, lambda: _ask_about_reports(client))
        picture = _peak(service, lambda: _ask(client, "receipt.jpg", documents.receipt()))
        processes = len(service.tree())
    return [
        Row(f"memory (PSS) of the whole service, idle, {processes} processes", f"{idle:.0f} MB"),
        Row(f"peak memory while {_REPORTS} PDFs of ten pages are answered", f"{reports:.0f} MB"),
        Row("peak memory while one picture is recognised", f"{picture:.0f} MB"),
    ]


def _ask_about_reports(client: Client) -> None:
    for number in range(_REPORTS):
        _ask(client, "report.pdf", documents.report(10, number))


def _ask(client: Client, name: str, content: bytes) -> None:
    task = client.submit(name, content, documents.PROMPT)
    status = client.wait(task, every=0.02, deadline=time.monotonic() + 120)
    if status["status"] != "completed":
        raise RuntimeError(f"{name} ended as {status['status']}: {status['error_code']}")


def _peak(service: Service, work: Callable[[], None]) -> float:
    """The greatest sum in MB seen while `work` runs."""
    samples = [_total(service)]
    done = threading.Event()

    def sample() -> None:
        while not done.wait(_EVERY):
            samples.append(_total(service))

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        work()
    finally:
        done.set()
        sampler.join()
    return max(samples)


def _total(service: Service) -> float:
    return sum(_share(process) for process in service.tree())


def _share(process: psutil.Process) -> float:
    """Megabytes of one process; 0 if it has just ended. Source: `Pss` in kB, proc_pid_smaps_rollup(5)."""
    try:
        text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0
