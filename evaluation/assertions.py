"""The assertions of olmOCR's benchmark (`dataset.jsonl`), as its documentation defines them, without math.

`present` and `absent` look for a text, `order` for two texts of which one begins before the other, `table` for a cell
with its neighbours and headings, `baseline` for anything but nothing and endless repetition. Texts are compared with
blanks, emphasis and the shapes of quotation marks and dashes levelled; `max_diffs` says by how many characters they
may differ.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation import near

TYPES = ("present", "absent", "order", "table", "baseline", "math")
SAME = str.maketrans(
    {**dict.fromkeys("‘’‚", "'"), **dict.fromkeys("“”„", '"'), **dict.fromkeys("–—‑‒−", "-"), "＿": "_", "µ": "μ"}
)
LEAST_LIKENESS = 0.5
LONGEST_UNIT, MOST_REPEATS = 5, 30
FOREIGN = re.compile(r"[\u4e00-\u9fff\u3040-\u30ff\U0001f600-\U0001f64f\U0001f300-\U0001f5ff\U0001f680-\U0001f6ff]")


@dataclass(frozen=True, slots=True)
class Assertion:
    """One line of the data set: what is asserted of one page of one file."""

    file: str
    page: int
    name: str
    type: str
    wanted: Mapping[str, Any]

    def holds(self, page: str) -> bool:
        """Whether it is true of the page's Markdown. Math is not checked, and so never true."""
        check = _CHECKS.get(self.type)
        return check is not None and check(self.wanted, page)


def load(path: Path) -> Iterator[Assertion]:
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip():
            data = json.loads(line)
            yield Assertion(data["pdf"], data["page"], data["id"], data["type"], data)


def level(text: str) -> str:
    """The text without what makes no difference: line breaks, emphasis, the shapes of quotation marks and dashes."""
    text = re.sub(r"<br\s*/?>", " ", text)
    text = re.sub(r"</?[bi]>", "", text)
    for mark in (r"\*\*", "__", r"\*", "_"):
        text = re.sub(rf"{mark}(.*?){mark}", r"\1", text)
    text = re.sub(r"\s+", " ", text)
    return unicodedata.normalize("NFC", text).translate(SAME)


def _present(wanted: Mapping[str, Any], page: str) -> bool:
    text, page = level(wanted["text"]), level(page)
    if not wanted.get("case_sensitive", True):
        text, page = text.lower(), page.lower()
    first, last = wanted.get("first_n") or 0, wanted.get("last_n") or 0
    if first or last:
        page = page[:first] + (page[-last:] if last else "")
    return bool(near.starts(text, page, wanted.get("max_diffs", 0)))


def _absent(wanted: Mapping[str, Any], page: str) -> bool:
    return not _present(wanted, page)


def _in_order(wanted: Mapping[str, Any], page: str) -> bool:
    page, most = level(page), wanted.get("max_diffs", 0)
    before = near.starts(level(wanted["before"]), page, most)
    after = near.starts(level(wanted["after"]), page, most)
    return bool(before and after) and min(before) < max(after)


def _tabled(wanted: Mapping[str, Any], page: str) -> bool:
    most = wanted.get("max_diffs", 0)
    return any(
        _alike(wanted["cell"], cell, most) and _placed(wanted, table, row, column)
        for table in _tables(page)
        for row, cells in enumerate(table)
        for column, cell in enumerate(cells)
    )


def _tables(page: str) -> Iterator[list[list[str]]]:
    """The Markdown tables of a page: a row of dashes makes the row above it a heading."""
    rows: list[list[str]] = []
    for line in [*page.splitlines(), ""]:
        if line.strip().startswith("|"):
            cells = re.split(r"(?<!\\)\|", line.strip().strip("|"))
            rows.append([cell.strip().replace("\\|", "|") for cell in cells])
            continue
        if len(rows) > 1 and all(re.fullmatch(r":?-+:?", cell) for cell in rows[1]):
            yield [rows[0], *rows[2:]]
        rows = []


def _placed(wanted: Mapping[str, Any], table: list[list[str]], row: int, column: int) -> bool:
    """Whether the neighbours and the headings of a cell are the wanted ones.

    The heading above is the table's first row; the one to the left, where nothing marks one, its first column.
    """
    places = {
        "up": (row - 1, column),
        "down": (row + 1, column),
        "left": (row, column - 1),
        "right": (row, column + 1),
        "top_heading": (0 if row else -1, column),
        "left_heading": (row, 0 if column else -1),
    }
    for key, (down, across) in places.items():
        if not wanted.get(key):
            continue
        if not (0 <= down < len(table) and 0 <= across < len(table[down])):
            return False
        if not _alike(wanted[key], table[down][across], wanted.get("max_diffs", 0)):
            return False
    return True


def _alike(wanted: str, cell: str, most: int) -> bool:
    wanted = level(wanted)
    least = max(LEAST_LIKENESS, 1 - most / max(len(wanted), 1))
    return near.likeness(wanted, level(cell).strip()) >= least


def _sound(wanted: Mapping[str, Any], page: str) -> bool:
    count = sum(letter.isalnum() for letter in page)
    if wanted.get("max_length") is not None:
        return count <= int(wanted["max_length"])
    return count > 0 and not _repeats(page) and not FOREIGN.search(page)


def _repeats(page: str) -> bool:
    """Whether the page ends in a unit of a few characters again and again."""
    return any(page.endswith(page[-size:] * (MOST_REPEATS + 1)) for size in range(1, LONGEST_UNIT + 1) if page)


_CHECKS: dict[str, Callable[[Mapping[str, Any], str], bool]] = {
    "present": _present,
    "absent": _absent,
    "order": _in_order,
    "table": _tabled,
    "baseline": _sound,
}
