"""The memory of the whole service: all its processes' proportional shares (PSS), so that shared pages count once."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from benchmarks import documents
from benchmarks.client import Client
from benchmarks.service import fresh_service
from benchmarks.table import Row

_WORKER = "api-v2 worker"
_EVERY = 0.2  # seconds between two samples
_IDLE = 5.0  # seconds
_OFTEN = 0.01  # the same, where a few processes are looked at that end within tenths of a second
_REPORTS = 20
_PICTURES = 6
_PAGES = 200
_PHOTOGRAPHS = 53  # together nearly as large a PDF as the service takes by default
_TIMES = 5
_GOAL = 200  # MB of a worker with its reader

Files = Sequence[tuple[str, bytes]]


def rows() -> list[Row]:
    """The peaks of the whole service, and those of one worker with its reader."""
    return [*_of_the_service(), *_of_a_worker()]


def _of_the_service() -> list[Row]:
    """While nothing is asked, while PDFs are read one after the other, while pictures are recognised."""
    reports = [("report.pdf", documents.report(10, number)) for number in range(_REPORTS)]
    receipts = [("receipt.jpg", documents.receipt(number)) for number in range(_PICTURES)]
    with fresh_service() as service, Client(service.url, service.new_key()) as client:

        def peak(work: Callable[[], None]) -> float:
            return _peak(lambda: _total(service.tree()), _EVERY, work)

        idle = peak(lambda: time.sleep(_IDLE))
        reading = peak(lambda: _ask_in_turn(client, reports))
        picture = peak(lambda: _ask_in_turn(client, receipts[:1]))
        started = time.monotonic()
        pictures = peak(lambda: _ask_at_once(client, receipts))
        seconds = time.monotonic() - started
        processes = len(service.tree())
    return [
        Row(f"memory (PSS) of the whole service, idle, {processes} processes", f"{idle:.0f} MB"),
        Row(f"peak memory while {_REPORTS} PDFs of ten pages are answered", f"{reading:.0f} MB"),
        Row("peak memory while one picture is recognised", f"{picture:.0f} MB"),
        Row(f"peak memory while {_PICTURES} pictures wait to be recognised", f"{pictures:.0f} MB in {seconds:.1f} s"),
    ]


def _of_a_worker() -> list[Row]:
    """A worker, its reader's server and the reader together, while they read long and large PDFs without OCR."""
    with fresh_service(API_V2_MAX_CONCURRENT="1") as service, Client(service.url, service.new_key()) as client:
        scrapbook = documents.scrapbook(_PHOTOGRAPHS)
        worker = next(each for each in service.tree() if each.name() == _WORKER)

        def family() -> float:
            return _total([worker, *worker.children(recursive=True)])

        def peak(content: bytes) -> float:
            files = [("report.pdf", content)] * _TIMES
            return _peak(family, _OFTEN, lambda: _ask_in_turn(client, files))

        long, large = peak(documents.report(_PAGES)), peak(scrapbook)
    return [
        Row(f"peak memory of a worker and its reader, PDF of {_PAGES} pages", *_against_goal(long)),
        Row(f"peak memory of a worker and its reader, PDF of {len(scrapbook) / 1e6:.0f} MB", *_against_goal(large)),
    ]


def _against_goal(megabytes: float) -> tuple[str, str, bool]:
    return f"{megabytes:.0f} MB", f"≤ {_GOAL} MB", megabytes <= _GOAL


def _ask_in_turn(client: Client, files: Files) -> None:
    for name, content in files:
        _wait(client, name, client.submit(name, content, documents.PROMPT))


def _ask_at_once(client: Client, files: Files) -> None:
    tasks = [(name, client.submit(name, content, documents.PROMPT)) for name, content in files]
    for name, task in tasks:
        _wait(client, name, task)


def _wait(client: Client, name: str, task: str) -> None:
    status = client.wait(task, every=0.02, deadline=time.monotonic() + 120)
    if status["status"] != "completed":
        raise RuntimeError(f"{name} ended as {status['status']}: {status['error_code']}")


def _peak(measure: Callable[[], float], every: float, work: Callable[[], None]) -> float:
    """The greatest value seen while `work` runs, looked at every so many seconds."""
    samples = [measure()]
    done = threading.Event()

    def sample() -> None:
        while not done.wait(every):
            samples.append(measure())

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        work()
    finally:
        done.set()
        sampler.join()
    return max(samples)


def _total(processes: Sequence[psutil.Process]) -> float:
    return sum(_share(process) for process in processes)


def _share(process: psutil.Process) -> float:
    """Megabytes of one process; 0 if it has just ended. Source: `Pss` in kB, proc_pid_smaps_rollup(5)."""
    try:
        text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0
