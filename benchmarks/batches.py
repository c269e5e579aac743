"""What a batch of many files costs a web process in memory, beside a batch of one."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import httpx
import psutil

from benchmarks.service import fresh_service
from benchmarks.table import Row

_FILES = 300
_SIZE = 500_000  # bytes of each
_EVERY = 0.02  # seconds between two samples
_WORDS = b"The total amount due is 108.00 EUR.\n"


def rows() -> list[Row]:
    """The growth of the one web process over its idle state, and how long each batch took."""
    with fresh_service(API_V2_WEB_PROCESSES="1", API_V2_LOCAL_LLM="off") as service:
        headers = {"Authorization": f"Bearer {service.new_key()}"}
        with httpx.Client(base_url=service.url, headers=headers, timeout=600, trust_env=False) as client:
            web = [each for each in service.tree() if "apiv2project.web" in " ".join(each.cmdline())]
            _send(client, 1)  # so that all is loaded that a batch needs
            one, seconds = _growth(web, client, 1)
            many, longer = _growth(web, client, _FILES)
    return [
        Row("growth of the web process during a batch of one file", f"{one:.1f} MB in {seconds:.1f} s"),
        Row(f"growth of the web process during a batch of {_FILES} files", f"{many:.1f} MB in {longer:.1f} s"),
    ]


def _growth(web: list[psutil.Process], client: httpx.Client, files: int) -> tuple[float, float]:
    before, peak, over = _own(web), 0.0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not over.wait(_EVERY):
            peak = max(peak, _own(web))

    watching = threading.Thread(target=watch)
    watching.start()
    began = time.monotonic()
    try:
        _send(client, files)
    finally:
        over.set()
        watching.join()
    return peak - before, time.monotonic() - began


def _send(client: httpx.Client, files: int) -> None:
    parts = [("files", (f"{number}.txt", _document(number))) for number in range(files)]
    data = {"prompt": "What is the total?", "model": "local", "dedupe": "false"}
    client.post("/api/v2/batches", data=data, files=parts).raise_for_status()


def _document(number: int) -> bytes:
    return b"Number %d.\n" % number + _WORDS * (_SIZE // len(_WORDS))


def _own(processes: list[psutil.Process]) -> float:
    """Their anonymous memory in MB. Not the USS, which leaps when another process that shared pages ends."""
    texts = [Path(f"/proc/{each.pid}/status").read_text() for each in processes]
    return sum(int(line.split()[1]) for text in texts for line in text.splitlines() if "RssAnon" in line) / 1000
