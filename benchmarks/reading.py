"""Reading a long PDF through the sandbox beside a bare loop over its pages with the same library, rounds in turn."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import pypdfium2

from benchmarks import documents
from benchmarks.table import Row
from processing.documents import registry, sandbox
from processing.documents.contract import ReadOptions

_PAGES = 200
_ROUNDS = 9
_GOAL = 1.3


def rows() -> list[Row]:
    """The time of each, the median of the ratios of neighbouring rounds, and what the very first reading costs."""
    with tempfile.TemporaryDirectory(prefix="apiv2-bench-") as directory:
        path = Path(directory) / "report.pdf"
        path.write_bytes(documents.report(_PAGES))
        first = _through_the_sandbox(path)  # starts the sandbox's server, which then lives as long as its worker
        _bare(path)
        pairs = [_round(path, ours_first=number % 2 == 0) for number in range(_ROUNDS)]
    ratios = [ours / bare for ours, bare in pairs]
    ratio = statistics.median(ratios)
    times = [statistics.median(column) * 1000 for column in zip(*pairs, strict=True)]
    return [
        Row(f"reading {_PAGES} pages in the sandbox, child process included", f"{times[0]:.0f} ms"),
        Row("the same pages by a bare pypdfium2 loop", f"{times[1]:.0f} ms"),
        Row(
            "the sandbox beside the bare loop",
            f"{ratio:.2f}× (rounds {min(ratios):.2f}–{max(ratios):.2f})",
            f"≤ {_GOAL}×",
            ratio <= _GOAL,
        ),
        Row("the first reading of a worker, which starts the sandbox's server", f"{first * 1000:.0f} ms"),
    ]


def _round(path: Path, *, ours_first: bool) -> tuple[float, float]:
    if ours_first:
        return _through_the_sandbox(path), _bare(path)
    bare = _bare(path)
    return _through_the_sandbox(path), bare


def _through_the_sandbox(path: Path) -> float:
    """Seconds, as the pipeline reads a document for a model without vision."""
    kind = registry.all_formats()["pdf"]
    started = time.monotonic()
    with path.open("rb") as file, sandbox.reading(file, kind, ReadOptions(), deadline=started + 120) as pages:
        texts = [page.text for page in pages]
    seconds = time.monotonic() - started
    _check(texts)
    return seconds


def _bare(path: Path) -> float:
    """Seconds, as the library's own documentation reads a text."""
    started = time.monotonic()
    document = pypdfium2.PdfDocument(path)
    texts = []
    for page in document:
        text_page = page.get_textpage()
        texts.append(text_page.get_text_bounded())
        text_page.close()
        page.close()
    document.close()
    seconds = time.monotonic() - started
    _check(texts)
    return seconds


def _check(texts: list[str]) -> None:
    if len(texts) != _PAGES or not all(f"page {number} of {_PAGES}" in text for number, text in enumerate(texts, 1)):
        raise RuntimeError("the reading is not whole")
