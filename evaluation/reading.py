"""How well the reading alone does, without a model: olmOCR's assertions by type, and every file of the corpus.

The corpus holds `olmocr/*.jsonl` with the pages of `olmocr/pdfs`, and files of every kind, which are read through the
sandbox as tasks are.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from evaluation import assertions
from processing.documents import registry, sandbox
from processing.documents.contract import Page, ReadOptions
from processing.errors import ProcessingError

GOALS = {"present": 17, "absent": 23, "order": 12, "table": 16}
GOAL = 62
NOT_DOCUMENTS = {".json", ".jsonl"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-ocr", action="store_true", help="leave text recognition out")
    parser.add_argument("--only", choices=["assertions", "files"], help="one of the two tables")
    parser.add_argument("--misses", action="store_true", help="name each assertion that does not hold")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds that one file may take (%(default)s)")


def run(options: argparse.Namespace) -> int:
    if options.only != "files":
        _print_assertions(options)
    if options.only != "assertions":
        _print_files(options)
    return 0


def _print_assertions(options: argparse.Namespace) -> None:
    """The assertions by type beside their goals."""
    folder = options.corpus / "olmocr"
    if not (folder / "dataset.jsonl").is_file():
        print(f"There are no assertions at {folder}: they were not checked.\n")
        return
    wanted = [each for path in sorted(folder.glob("*.jsonl")) for each in assertions.load(path)]
    pages = _pages(folder / "pdfs", sorted({each.file for each in wanted}), options)
    total: Counter[str] = Counter()
    held: Counter[str] = Counter()
    for each in wanted:
        holds = each.holds(pages.get((each.file, each.page), ""))
        total[each.type] += 1
        held[each.type] += holds
        if options.misses and not holds and each.type != "math":
            print(f"does not hold: {each.name} ({each.type})", file=sys.stderr)
    print("| Assertions | Hold | Of | Goal |\n|---|---|---|---|")
    for kind in (kind for kind in assertions.TYPES if total[kind]):
        print(
            f"| {kind} | {'not checked' if kind == 'math' else held[kind]} | {total[kind]} | {GOALS.get(kind, '–')} |"
        )
    together = [kind for kind in GOALS if total[kind]]
    print(f"| together | {sum(held[k] for k in together)} | {sum(total[k] for k in together)} | {GOAL} |\n", flush=True)


def _pages(folder: Path, names: list[str], options: argparse.Namespace) -> dict[tuple[str, int], str]:
    found: dict[tuple[str, int], str] = {}
    for name in names:
        try:
            found.update({(name, page.number): page.text for page in _read(folder / name, options)})
        except (ProcessingError, OSError) as error:
            print(f"{name}: {error}", file=sys.stderr)
    return found


def _read(path: Path, options: argparse.Namespace) -> Iterator[Page]:
    """The pages of a file, as a task for a model without vision gets them. Raises `ProcessingError`."""
    with path.open("rb") as file:
        kind = registry.identify(
            path.name, file.read(registry.HEAD), supported=list(registry.all_formats()), blocked=()
        )
        deadline = time.monotonic() + options.timeout
        with sandbox.reading(file, kind, ReadOptions(ocr=not options.no_ocr), deadline=deadline) as pages:
            yield from pages


@dataclass
class _Tally:
    """What became of the files of one type."""

    files: int = 0
    read: int = 0
    pages: int = 0
    seconds: float = 0.0
    methods: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)


def _print_files(options: argparse.Namespace) -> None:
    """Every file of the corpus by its type: read or refused, and how long a page took."""
    tallies: dict[str, _Tally] = {}
    paths = [path for path in sorted(options.corpus.rglob("*")) if path.is_file()]
    for number, path in enumerate(paths, 1):
        if path.suffix.lower() not in NOT_DOCUMENTS:
            _count(path, options, tallies.setdefault(path.suffix.lower().lstrip(".") or "(none)", _Tally()))
        if number % 50 == 0:
            print(f"{number} of {len(paths)} files", file=sys.stderr)
    print("| Type | Files | Read | Pages | Seconds a page | By | Refused |\n|---|---|---|---|---|---|---|")
    for kind, tally in sorted(tallies.items()):
        pace = f"{tally.seconds / tally.pages:.3f}" if tally.pages else "–"
        cells = [kind, tally.files, tally.read, tally.pages, pace, _listed(tally.methods), _listed(tally.codes)]
        print("| " + " | ".join(map(str, cells)) + " |")


def _count(path: Path, options: argparse.Namespace, tally: _Tally) -> None:
    tally.files += 1
    started = time.monotonic()
    try:
        methods = Counter(page.method for page in _read(path, options))
    except ProcessingError as error:
        tally.codes[error.code] += 1
        return
    tally.read += 1
    tally.seconds += time.monotonic() - started
    tally.pages += methods.total()
    tally.methods += methods


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common()) or "–"
