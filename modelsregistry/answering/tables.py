"""Looks up the one cell of a Markdown table that a question names by its row and its column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from modelsregistry.contract import Passage

from .layout import Line, squeeze
from .questions import Question
from .replies import LONGEST_PASSAGE, Reply, quote
from .words import terms


def answer_cell(question: Question, lines: Sequence[Line]) -> Reply | None:
    """The cell whose column heading and row together hold every word of the question, if it is the only one."""
    wanted = set(question.terms)
    if len(wanted) < 2:
        return None
    found: dict[str, tuple[Line, str]] = {}
    for header, row in _rows(lines):
        columns = [(column, set(terms(header.text[slice(*span)])) & wanted) for column, span in enumerate(header.cells)]
        column, named = max(columns, key=lambda entry: len(entry[1]))
        if not named or column == 0 or column >= len(row.cells):
            continue
        if wanted - named <= set(terms(row.text)) and (cell := row.text[slice(*row.cells[column])].strip(" *_")):
            found[cell] = (row, cell)
    if len(found) != 1:
        return None
    row, cell = next(iter(found.values()))
    if len(row.text) > LONGEST_PASSAGE:
        return None
    return Reply(quote(cell, row.page.number), (Passage(row.page.number, squeeze(row.text), 0.9),), 1)


def _rows(lines: Sequence[Line]) -> Iterator[tuple[Line, Line]]:
    """Every row of every table with the table's first row."""
    header: Line | None = None
    for line in lines:
        if not line.cells or (header is not None and header.page is not line.page):
            header = None
        if line.cells and header is None:
            header = line
        elif header is not None:
            yield header, line
