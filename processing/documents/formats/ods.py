"""OpenDocument spreadsheets."""

from __future__ import annotations

from typing import BinaryIO, ClassVar

from processing.documents import containers, opendocument
from processing.documents.contract import Contents, Inspection, ReadOptions
from processing.documents.limits import Limits
from processing.documents.sheets import opendocument as sheets
from processing.documents.sheets import workbook


class Ods:
    """A spreadsheet of LibreOffice and its like; its pages are its sheets."""

    name: ClassVar[str] = "ods"
    extensions: ClassVar[tuple[str, ...]] = ("ods",)
    media_type: ClassVar[str] = "application/vnd.oasis.opendocument.spreadsheet"
    modules: ClassVar[tuple[str, ...]] = ("python_calamine", "lxml.etree")

    def matches(self, head: bytes) -> bool:
        return containers.is_zip_of(head, "ods")

    def inspect(self, file: BinaryIO, limits: Limits) -> Inspection:
        opendocument.refuse_unsound(file, limits, "ods")
        sheets.details(file, limits)  # calamine holds all sheets as soon as it opens the file
        return Inspection(workbook.count(workbook.opened(file)))

    def read(self, file: BinaryIO, options: ReadOptions, limits: Limits) -> Contents:
        opendocument.refuse_unsound(file, limits, "ods")
        details = sheets.details(file, limits)
        return workbook.contents(workbook.opened(file), details, options, limits)


FORMAT = Ods()
