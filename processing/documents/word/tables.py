"""Word tables as pipe tables: a merged cell's text stands once, and the cells that it covers are empty."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from processing.documents.word.names import attribute, child, w

MAX_COLUMNS = 200
SDT = (w("sdt"), w("sdtContent"), w("customXml"), w("ins"))


@dataclass(frozen=True, slots=True)
class Row:
    """A row's element, and the text of its columns."""

    element: Any
    cells: list[str]


def grid(rows: Sequence[Any], text_of: Callable[[Any], str]) -> Iterator[Row]:
    for row in rows:
        properties = child(row, w("trPr"))
        cells = [""] * _number(child(properties, w("gridBefore")))
        for cell in _cells(row):
            properties = child(cell, w("tcPr"))
            merged = child(properties, w("vMerge"))
            covered = merged is not None and attribute(merged, "val") != "restart"
            cells.append("" if covered else text_of(cell))
            cells += [""] * (max(1, _number(child(properties, w("gridSpan")))) - 1)
        yield Row(row, cells[:MAX_COLUMNS])


def _cells(row: Any) -> Iterator[Any]:
    for each in row.iterchildren():
        if each.tag == w("tc"):
            yield each
        elif each.tag in SDT:
            yield from _cells(each)


def _number(element: Any | None) -> int:
    value = attribute(element, "val") or "0"
    return min(int(value), MAX_COLUMNS) if value.isdigit() else 0
