"""Reading PDFs through the sandbox beside a bare loop over their pages with the same library, rounds in turn."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pypdfium2

from benchmarks import documents
from benchmarks.table import Row
from processing.documents import registry, sandbox
from processing.documents.contract import ReadOptions
from processing.errors import DocumentFailed

_PAGES, _PAGES_IN_COLUMNS = 200, 50
_ROUNDS, _ROUNDS_OF_CORPUS = 9, 3
_GOAL, _GOAL_WITH_LAYOUT = 1.3, 4.0


def rows(corpus: Path) -> list[Row]:
    """The time of each, the median of the ratios of neighbouring rounds, and what the very first reading costs."""
    with tempfile.TemporaryDirectory(prefix="apiv2-bench-") as directory:
        plain, columns = Path(directory) / "report.pdf", Path(directory) / "journal.pdf"
        plain.write_bytes(documents.report(_PAGES))
        columns.write_bytes(documents.journal(_PAGES_IN_COLUMNS))
        first = _timed(_through_the_sandbox, [plain])  # starts the sandbox's server, which lives as long as its worker
        _check(_through_the_sandbox(plain), "text", [f"page {n} of {_PAGES}" for n in range(1, _PAGES + 1)])
        _check(_through_the_sandbox(columns), "layout", [f"| Item {n}0 |" for n in range(1, _PAGES_IN_COLUMNS + 1)])
        return [
            *_beside(f"{_PAGES} plain pages", [plain], _ROUNDS, _GOAL),
            *_beside(f"{_PAGES_IN_COLUMNS} pages in columns with tables", [columns], _ROUNDS, _GOAL_WITH_LAYOUT),
            *_corpus(corpus),
            Row("the first reading of a worker, which starts the sandbox's server", f"{first * 1000:.0f} ms"),
        ]


def _corpus(corpus: Path) -> list[Row]:
    paths = sorted(corpus.rglob("*.pdf"))
    name = f"{len(paths)} PDFs of the corpus"
    if not paths:
        return [
            Row(f"the PDFs of the corpus ({corpus})", "not measured: they are not there", f"≤ {_GOAL_WITH_LAYOUT}×")
        ]
    return _beside(name, paths, _ROUNDS_OF_CORPUS, _GOAL_WITH_LAYOUT)


def _beside(name: str, paths: Sequence[Path], rounds: int, goal: float) -> list[Row]:
    pairs = [_round(paths, ours_first=number % 2 == 0) for number in range(rounds)]
    ratios = [ours / bare for ours, bare in pairs]
    ratio = statistics.median(ratios)
    ours, bare = (statistics.median(column) * 1000 for column in zip(*pairs, strict=True))
    return [
        Row(f"{name}, read in the sandbox, child process included", f"{ours:.0f} ms"),
        Row(f"{name}, by a bare pypdfium2 loop", f"{bare:.0f} ms"),
        Row(
            f"{name}: the sandbox beside the bare loop",
            f"{ratio:.2f}× (rounds {min(ratios):.2f}–{max(ratios):.2f})",
            f"≤ {goal}×",
            ratio <= goal,
        ),
    ]


def _round(paths: Sequence[Path], *, ours_first: bool) -> tuple[float, float]:
    if ours_first:
        return _timed(_through_the_sandbox, paths), _timed(_bare, paths)
    bare = _timed(_bare, paths)
    return _timed(_through_the_sandbox, paths), bare


def _timed(read: Callable[[Path], object], paths: Sequence[Path]) -> float:
    """Seconds for all of them."""
    started = time.monotonic()
    for path in paths:
        read(path)
    return time.monotonic() - started


def _through_the_sandbox(path: Path) -> list[tuple[str, str]]:
    """The text of each page and how it was read, as the pipeline does for a model without vision; but nothing is
    recognised, since the bare loop recognises nothing."""
    kind = registry.all_formats()["pdf"]
    deadline = time.monotonic() + 120
    try:
        with path.open("rb") as file, sandbox.reading(file, kind, ReadOptions(ocr=False), deadline=deadline) as pages:
            return [(page.text, page.method) for page in pages]
    except DocumentFailed:
        return []  # The corpus holds files that are broken or encrypted.


def _bare(path: Path) -> list[str]:
    """As the library's own documentation reads a text."""
    texts = []
    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError:
        return []
    for number in range(len(document)):
        try:
            page = document[number]
        except pypdfium2.PdfiumError:
            continue
        text_page = page.get_textpage()
        texts.append(text_page.get_text_bounded())
        text_page.close()
        page.close()
    document.close()
    return texts


def _check(pages: list[tuple[str, str]], method: str, wanted: list[str]) -> None:
    if len(pages) != len(wanted) or not all(each in text for (text, _), each in zip(pages, wanted, strict=True)):
        raise RuntimeError("the reading is not whole")
    if any(by != method for _, by in pages):
        raise RuntimeError(f"the pages were not read by {method}")
