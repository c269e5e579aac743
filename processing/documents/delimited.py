"""Delimited text (CSV and its like) as tables: delimiter and encoding are told from the file, rows come one by one."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO

from processing.documents import markdown, plaintext
from processing.documents.containers import too_complex
from processing.documents.contract import Contents, Inspection, Page, ReadOptions
from processing.documents.limits import Limits

DELIMITERS = ",;\t|"
SAMPLE_CHARACTERS = 64 * 1024
SAMPLE_ROWS = 100
# A file has no pages of its own: so much of it is one, and each begins with the heading.
PAGE_ROWS = 500
PAGE_CHARACTERS = 40_000


def inspect(file: BinaryIO, delimiters: str, limits: Limits) -> Inspection:
    """Count the pages; of a large file see that it begins as a table does. Raises `UnreadableDocument`."""
    if file.seek(0, os.SEEK_END) > limits.counted_bytes:
        next(_pages(file, delimiters, limits))
        return Inspection(pages=None)
    return Inspection(sum(1 for _ in _pages(file, delimiters, limits)))


def read(file: BinaryIO, delimiters: str, options: ReadOptions, limits: Limits) -> Contents:
    """The rows in tables of `PAGE_ROWS` at most. Raises `UnreadableDocument`."""
    pages = (
        Page(number, markdown.table(rows, trimmed=False), "text" if rows else "none")
        for number, rows in enumerate(_pages(file, delimiters, limits), 1)
        if options.wants(number)
    )
    return Contents(inspect(file, delimiters, limits).pages, pages)


def _pages(file: BinaryIO, delimiters: str, limits: Limits) -> Iterator[list[list[str]]]:
    """The rows of each page, the heading first; one empty page of an empty file."""
    heading: list[str] | None = None
    page: list[list[str]] = []
    size = 0
    for row in _rows(file, delimiters, limits):
        if heading is None:
            heading = row
        if len(page) > PAGE_ROWS or (size > PAGE_CHARACTERS and len(page) > 1):
            yield page
            page, size = [heading], 0
        page.append(row)
        size += sum(map(len, row)) + 3 * len(row)
    yield page


def _rows(file: BinaryIO, delimiters: str, limits: Limits) -> Iterator[list[str]]:
    csv.field_size_limit(limits.field_characters)
    lines = _lines(file, limits)
    sample: list[str] = []
    size = 0
    for line in lines:
        sample.append(line)
        size += len(line)
        if size >= SAMPLE_CHARACTERS:
            break
    delimiter = delimiter_of(sample, delimiters)
    try:
        for row in csv.reader(_in_turn(sample, lines), delimiter=delimiter):
            if len(row) > limits.columns:
                raise too_complex(f"A row has {len(row)} columns; the limit is {limits.columns}.")
            cells = [markdown.flat(cell) for cell in row]
            if any(cells):
                yield cells
    except csv.Error as error:
        raise too_complex("A field of the file is longer than may be read.") from error


def _in_turn(sample: list[str], lines: Iterator[str]) -> Iterator[str]:
    yield from sample
    sample.clear()
    yield from lines


def _lines(file: BinaryIO, limits: Limits) -> Iterator[str]:
    rest = ""
    for piece in plaintext.decoded(file):
        *whole, rest = (rest + piece).split("\n")
        for line in whole:
            yield line.replace("\r", "").replace("\0", "") + "\n"
        if len(rest) > limits.line_characters:
            raise too_complex("A line of the file is longer than may be read.")
    if rest:
        yield from (f"{line}\n" for line in rest.replace("\0", "").split("\r"))


def delimiter_of(lines: list[str], candidates: str = DELIMITERS) -> str:
    """The delimiter that splits most rows into the same number of fields; the first candidate where none does."""
    best, best_score = candidates[0], 0.0
    for candidate in candidates:
        widths = Counter(len(row) for row in _sampled(lines, candidate) if any(row))
        if not widths:
            continue
        width, rows = max(widths.items(), key=lambda item: (item[0] > 1, item[1], item[0]))
        score = (rows / widths.total()) * (1 + min(width, 50) / 100) if width > 1 else 0.0
        if score > best_score:
            best, best_score = candidate, score
    return best


def _sampled(lines: list[str], delimiter: str) -> list[list[str]]:
    try:
        return [row for row, _ in zip(csv.reader(lines, delimiter=delimiter), range(SAMPLE_ROWS), strict=False)]
    except csv.Error:
        return []
