"""Do native tables survive as Markdown with their cells, and does every file of the corpus end?

    python -m evaluation.tables --corpus ../shared/corpus

The cells are those that each format's own library sees (python-docx, calamine, python-pptx, Beautiful Soup). A table
has survived where every cell of it that is not empty stands in the cells of the pipe tables of its page or document,
row by row as it did; of a sheet, which is no table by itself, a cell that is alone between empty rows may be a line.
Text is compared without case, blanks and marks of Markdown.
"""

from __future__ import annotations

import argparse
import datetime
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from processing.documents import registry
from processing.documents.contract import ReadOptions
from processing.documents.sandbox import Sandbox
from processing.errors import ProcessingError

# Where the files that are read lie in the corpus; and of the tables in them, how many must survive.
FOLDERS = ("docx", "xlsx", "pptx", "html", "csv", "md", "email", "images/pillow", "doc")
GOALS = {"docx": (45, 51), "html": (23, 23), "xlsx": (21, 21), "pptx": (1, 1)}
SECONDS = 60
MARKS = re.compile(r"!\[([^\]]*)\]|\\(?=[|])|^[#>]+ |^(?:[-*]|\d+[.)]) |[*_`]+", re.MULTILINE)
LIST_MARKS = re.compile(r"(?:(?<=\s)|^)(?:[-*]|\d+[.)])(?=\s)")


Cell = tuple[str, ...]  # the ways in which a cell's value may be written


@dataclass(slots=True)
class Read:
    """What became of a file: its pages, or the code by which it was refused."""

    path: Path
    pages: list[str] = field(default_factory=list)
    code: str = ""
    seconds: float = 0.0


@dataclass(slots=True)
class Row:
    """One kind of table: how many there are, how many survived, and the cells that were lost."""

    kind: str
    tables: int = 0
    survived: int = 0
    lost: list[str] = field(default_factory=list)


def rows(corpus: Path) -> tuple[list[Row], list[Read]]:
    """The score of each kind of table, and what became of every file."""
    files = [path for folder in FOLDERS for path in sorted((corpus / folder).rglob("*")) if path.is_file()]
    sandbox = Sandbox()
    try:
        reads = [_read(sandbox, path) for path in files]
    finally:
        sandbox.close()
    scores = {kind: Row(kind) for kind in GOALS}
    for read in reads:
        kind = {".xlsm": "xlsx"}.get(read.path.suffix, read.path.suffix.lstrip("."))
        if kind in scores:
            _score(scores[kind], read)
    return list(scores.values()), reads


def _read(sandbox: Sandbox, path: Path) -> Read:
    found = Read(path)
    started = time.monotonic()
    try:
        with path.open("rb") as file:
            kind = registry.identify(path.name, file.read(registry.HEAD), supported=registry.all_formats(), blocked=())
            file.seek(0)
            deadline = time.monotonic() + SECONDS
            with sandbox.reading(file, kind, ReadOptions(ocr=False), deadline=deadline) as pages:
                found.pages = [page.text for page in pages]
    except ProcessingError as error:
        found.code = error.code
    found.seconds = time.monotonic() - started
    return found


def _score(row: Row, read: Read) -> None:
    tables = list(TRUTH[row.kind](read.path))
    for page, cells in tables:
        row.tables += 1
        text = "\n".join(read.pages) if page is None else "".join(read.pages[page : page + 1])
        missing = _missing(cells, _cells(text, lines=row.kind == "xlsx"))
        row.survived += not missing
        row.lost += [f"{read.path.name}: {read.code or cell!r}" for cell in missing[:3]]


def _missing(wanted: list[Cell], found: list[str]) -> list[str]:
    """The wanted cells that are not found, each after the one before it."""
    missing, position = [], 0
    for cell in wanted:
        ways = [way for way in map(plain, cell) if way]
        if not ways:
            continue
        place = next((at for at in range(position, len(found)) if any(way in found[at] for way in ways)), None)
        if place is None:
            missing.append(ways[0])
        else:
            position = place
    return missing


def _cells(text: str, *, lines: bool) -> list[str]:
    """The cells of all pipe tables, row by row; with `lines` also what stands on lines of its own."""
    found = []
    for line in text.split("\n"):
        if line.startswith("| "):
            found += [plain(cell) for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        elif lines:
            found.append(plain(line))
    return found


def plain(text: str) -> str:
    """Without marks of Markdown, and with one blank for many."""
    text = MARKS.sub(lambda match: match[1] or "", text)
    return "".join(re.sub(r"[,;☐☒☑]", " ", LIST_MARKS.sub(" ", text)).split()).casefold()


Tables = Iterator[tuple[int | None, list[Cell]]]  # of each the index of its page, where that is known


def of_docx(path: Path) -> Tables:
    import docx

    try:
        document = docx.Document(str(path))
    except (ValueError, KeyError):
        return  # python-docx does not open it, so that there is nothing to compare with.
    for table in document.tables:
        cells: dict[Any, str] = {}  # a merged cell is seen once for each place that it covers
        for row in table.rows:
            for cell in row.cells:
                cells.setdefault(cell._tc, cell.text)
        yield None, [(text,) for text in cells.values()]


def of_xlsx(path: Path) -> Tables:
    import python_calamine as calamine

    book = calamine.CalamineWorkbook.from_path(path)
    order = sorted(
        enumerate(book.sheets_metadata), key=lambda each: each[1].visible != calamine.SheetVisibleEnum.Visible
    )
    for page, (index, _) in enumerate(order):
        cells = [_written(value) for row in book.get_sheet_by_index(index).to_python() for value in row]
        if any(any(cell) for cell in cells):
            yield page, cells


def _written(value: Any) -> Cell:
    """A number may be shown as a percentage, which calamine does not tell."""
    if isinstance(value, float):
        return f"{value:.15g}", f"{value * 100:.15g}%"
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return (value.date().isoformat(),)
    return (str(value),)


def of_pptx(path: Path) -> Tables:
    import pptx

    for page, slide in enumerate(pptx.Presentation(str(path)).slides):
        for shape in slide.shapes:
            if shape.has_table:
                yield page, [(cell.text,) for row in shape.table.rows for cell in row.cells if not cell.is_spanned]


def of_html(path: Path) -> Tables:
    from bs4 import BeautifulSoup

    for table in BeautifulSoup(path.read_bytes(), "lxml").find_all("table"):
        if table.find_parent("table") is None:
            for picture in table.find_all("img"):
                picture.replace_with(str(picture.get("alt") or ""))
            for hidden in table.find_all(["script", "style", "caption"]):
                hidden.decompose()
            cells = table.find_all(["td", "th"])
            yield None, [(cell.get_text(" "),) for cell in cells if cell.find("table") is None]


TRUTH: dict[str, Callable[[Path], Tables]] = {"docx": of_docx, "xlsx": of_xlsx, "pptx": of_pptx, "html": of_html}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lost", action="store_true", help="name the cells that were lost")


def run(options: argparse.Namespace) -> int:
    """Print the scores and what became of the files; 1 where a goal is missed or a file made its reader crash."""
    scores, reads = rows(options.corpus)
    print(f"{'tables':8} {'there':>6} {'kept':>6} {'goal':>9}")
    for row in scores:
        goal, of = GOALS[row.kind]
        print(f"{row.kind:8} {row.tables:6} {row.survived:6} {f'{goal} of {of}':>9}")
        for each in row.lost if options.lost else ():
            print(f"         lost: {each}")
    print(f"\n{'files':14} {'there':>6} {'read':>6} {'s each':>7}  refused")
    crashed = 0
    for folder in FOLDERS:
        those = [read for read in reads if (options.corpus / folder) in read.path.parents]
        codes = sorted({read.code for read in those if read.code})
        counted = ", ".join(f"{code} {sum(read.code == code for read in those)}" for code in codes)
        seconds = sum(read.seconds for read in those) / max(1, len(those))
        print(f"{folder:14} {len(those):6} {sum(not read.code for read in those):6} {seconds:7.2f}  {counted}")
        crashed += sum(read.code in ("reader_crashed", "memory_limit", "cpu_limit") for read in those)
    missed = [row.kind for row in scores if row.survived < GOALS[row.kind][0]]
    return int(bool(missed or crashed))
