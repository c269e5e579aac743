"""A workbook as pages: each sheet is one, with its name as heading and its cells as tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

from processing.documents import markdown
from processing.documents.containers import broken, encrypted, too_complex
from processing.documents.contract import Contents, Page, ReadOptions
from processing.documents.limits import Limits
from processing.documents.sheets.details import Details, refuse_too_many
from processing.documents.sheets.values import PLAIN, shown

NOTHING = Details()


def count(workbook: Any) -> int:
    """How many sheets there are, hidden ones included."""
    return len(workbook.sheets_metadata)


def opened(file: BinaryIO) -> Any:
    """The workbook, by calamine. Raises `UnreadableDocument`."""
    import python_calamine

    file.seek(0)
    try:
        return python_calamine.CalamineWorkbook.from_filelike(file)
    except python_calamine.PasswordError as error:
        raise encrypted() from error
    except (python_calamine.CalamineError, ValueError, OSError) as error:
        raise broken() from error


def contents(workbook: Any, details: Mapping[str, Details], options: ReadOptions, limits: Limits) -> Contents:
    """The sheets in the order of their tabs; those that are hidden come last, so that the others count as a person
    counts them."""
    return Contents(count(workbook), _pages(workbook, details, options, limits))


def _pages(workbook: Any, details: Mapping[str, Details], options: ReadOptions, limits: Limits) -> Iterator[Page]:
    from python_calamine import SheetTypeEnum, SheetVisibleEnum

    sheets = sorted(
        enumerate(workbook.sheets_metadata), key=lambda each: each[1].visible != SheetVisibleEnum.Visible
    )  # sorting keeps the order of equals
    for number, (index, sheet) in enumerate(sheets, 1):
        if not options.wants(number):
            continue
        hidden = " (hidden)" if sheet.visible != SheetVisibleEnum.Visible else ""
        blocks = [markdown.heading(1, sheet.name + hidden)]
        if sheet.typ in (SheetTypeEnum.WorkSheet, SheetTypeEnum.MacroSheet):
            blocks += _sheet(workbook, index, details.get(sheet.name, NOTHING), limits)
        elif sheet.typ == SheetTypeEnum.ChartSheet:
            blocks.append("(a chart)")
        yield Page(number, markdown.joined(blocks), "text")


def _sheet(workbook: Any, index: int, details: Details, limits: Limits) -> list[str]:
    from python_calamine import CalamineError

    try:
        sheet = workbook.get_sheet_by_index(index)
    except CalamineError as error:
        raise broken() from error
    refuse_too_many(sheet.height * sheet.width, limits)
    if sheet.width > limits.columns:
        raise too_complex(f"A sheet has {sheet.width} columns; the limit is {limits.columns}.")
    top, left = sheet.start or (0, 0)
    rows = (
        [shown(value, details.shapes.get((row, column), PLAIN)) for column, value in enumerate(values, left)]
        for row, values in enumerate(sheet.to_python(skip_empty_area=True), top)
    )
    found = [_block(block) for block in blocks(rows)]
    if details.comments:
        found.append("Comments:\n\n" + "\n".join(details.comments))
    return found


def blocks(rows: Iterable[Sequence[str]]) -> Iterator[list[Sequence[str]]]:
    """The parts that empty rows separate. A single row with several cells stays with what stands before it, or else
    comes after: it belongs to a table whose rows have been set apart."""
    held: list[Sequence[str]] = []
    for part in _parts(rows):
        apart = len(part) > 1 or _cells(part[0]) == 1
        if held and apart and (len(held) > 1 or _cells(held[0]) == 1):
            yield held
            held = []
        held = held + part
    if held:
        yield held


def _parts(rows: Iterable[Sequence[str]]) -> Iterator[list[Sequence[str]]]:
    part: list[Sequence[str]] = []
    for row in rows:
        if any(row):
            part.append(row)
        elif part:
            yield part
            part = []
    if part:
        yield part


def _cells(row: Sequence[str]) -> int:
    return sum(1 for cell in row if cell)


def _block(rows: list[Sequence[str]]) -> str:
    """A table; a line of text where there is nothing but one cell."""
    if len(rows) == 1 and _cells(rows[0]) == 1:
        return next(cell for cell in rows[0] if cell)
    return markdown.table(rows)
