"""Word documents (OOXML)."""

from __future__ import annotations

from typing import BinaryIO, ClassVar

from processing.documents import ooxml
from processing.documents.contract import Contents, Inspection, ReadOptions, text_pages
from processing.documents.limits import Limits
from processing.documents.word import opened


class Docx:
    """A Word document; its pages are those that it was last laid out with, as far as the file tells."""

    name: ClassVar[str] = "docx"
    extensions: ClassVar[tuple[str, ...]] = ("docx",)
    media_type: ClassVar[str] = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    modules: ClassVar[tuple[str, ...]] = ("docx", "processing.documents.word.pages")

    def matches(self, head: bytes) -> bool:
        """A zip archive, or the container in which Word encrypts one: what is inside is seen when it is opened."""
        return ooxml.matches(head, "docx")

    def inspect(self, file: BinaryIO, limits: Limits) -> Inspection:
        return Inspection(pages=len(opened.pages(ooxml.package(file, limits, "docx"))))

    def read(self, file: BinaryIO, options: ReadOptions, limits: Limits) -> Contents:
        return text_pages(opened.pages(ooxml.package(file, limits, "docx", options.password)), options)


FORMAT = Docx()
