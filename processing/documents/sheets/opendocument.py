"""The XML of an OpenDocument spreadsheet: extents of sheets, and the cells whose numbers are percentages."""

from __future__ import annotations

import zipfile
from typing import Any, BinaryIO

from processing.documents import containers
from processing.documents.limits import Limits
from processing.documents.sheets.details import Details
from processing.documents.sheets.values import Shape

TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
CELLS = (f"{TABLE}table-cell", f"{TABLE}covered-table-cell")
MOST_REPEATED = 1 << 20


def details(package: BinaryIO, limits: Limits) -> dict[str, Details]:
    """Of each sheet by its name. Raises `UnreadableDocument`, also for a sheet that spans more than may be held."""
    with zipfile.ZipFile(package) as archive:
        try:
            root = containers.parsed(containers.content(archive, "content.xml"))
        except KeyError:
            raise containers.broken() from None
        return {each.get(f"{TABLE}name", ""): _sheet(each, limits) for each in root.iter(f"{TABLE}table")}


def _sheet(table: Any, limits: Limits) -> Details:
    found = Details()
    row = 0
    for element in table.iter(f"{TABLE}table-row"):
        rows = _repeated(element, "number-rows-repeated")
        column = 0
        for cell in element.iterchildren(*CELLS):
            columns = _repeated(cell, "number-columns-repeated")
            kind = cell.get(f"{OFFICE}value-type")
            if kind is not None or len(cell):
                found.extent.take_in(row, column, rows, columns)
                found.extent.refuse_too_large(limits)
            if kind == "percentage":
                shape = Shape(percent=True)
                found.shapes.update(
                    {(row + down, column + right): shape for down in range(rows) for right in range(columns)}
                )
            column += columns
        row += rows
    return found


def _repeated(element: Any, name: str) -> int:
    text = element.get(f"{TABLE}{name}", "1")
    return max(1, min(int(text), MOST_REPEATED)) if text.isascii() and text.isdigit() else 1
