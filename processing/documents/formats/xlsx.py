"""Excel workbooks (OOXML)."""

from __future__ import annotations

from typing import BinaryIO, ClassVar

from processing.documents import ooxml
from processing.documents.contract import Contents, Inspection, ReadOptions
from processing.documents.limits import Limits
from processing.documents.sheets import excel, workbook


class Xlsx:
    """An Excel workbook; its pages are its sheets. Formulas count as what they came to last, macros are never run."""

    name: ClassVar[str] = "xlsx"
    extensions: ClassVar[tuple[str, ...]] = ("xlsx", "xlsm")
    media_type: ClassVar[str] = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    modules: ClassVar[tuple[str, ...]] = ("python_calamine", "lxml.etree", "olefile")

    def matches(self, head: bytes) -> bool:
        """A zip archive, or the container in which Excel encrypts one: what is inside is seen when it is opened."""
        return ooxml.matches(head, "xlsx")

    def inspect(self, file: BinaryIO, limits: Limits) -> Inspection:
        return Inspection(workbook.count(workbook.opened(ooxml.package(file, limits, "xlsx"))))

    def read(self, file: BinaryIO, options: ReadOptions, limits: Limits) -> Contents:
        package = ooxml.package(file, limits, "xlsx", options.password)
        details = excel.details(package, limits)
        return workbook.contents(workbook.opened(package), details, options, limits)


FORMAT = Xlsx()
