"""From the submission to the answer, as a client sees it that polls every 5 ms over one connection."""

from __future__ import annotations

import time
from collections.abc import Sequence

from benchmarks import documents
from benchmarks.client import Client
from benchmarks.service import fresh_service
from benchmarks.table import Row, milliseconds

_WARM_UP = 5
_TEXTS = 120  # more than one worker takes before it is replaced by a fresh one: that cost is in the figure
_REPORTS = 60
_EVERY = 0.005  # seconds between two looks


def rows() -> list[Row]:
    """One row for a page of text, one for a PDF of ten pages."""
    texts = [("letter.txt", documents.letter(number)) for number in range(_TEXTS + _WARM_UP)]
    reports = [("report.pdf", documents.report(10, number)) for number in range(_REPORTS + _WARM_UP)]
    with fresh_service() as service, Client(service.url, service.new_key()) as client:
        one = _durations(client, texts)
        ten = _durations(client, reports)
    return [
        Row("submit → completed, one page of text", milliseconds(one)),
        Row("submit → completed, PDF of ten pages", milliseconds(ten)),
    ]


def _durations(client: Client, files: Sequence[tuple[str, bytes]]) -> list[float]:
    """Seconds for each file but the first few, one after the other."""
    return [_seconds(client, name, content) for name, content in files][_WARM_UP:]


def _seconds(client: Client, name: str, content: bytes) -> float:
    started = time.monotonic()
    task = client.submit(name, content, documents.PROMPT)
    status = client.wait(task, every=_EVERY, deadline=started + 60)
    if status["status"] != "completed":
        raise RuntimeError(f"{name} ended as {status['status']}: {status['error_code']}")
    return time.monotonic() - started
