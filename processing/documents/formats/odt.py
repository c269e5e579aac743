"""OpenDocument texts."""

from __future__ import annotations

from typing import BinaryIO, ClassVar

from processing.documents import containers, opentext
from processing.documents.contract import Contents, Inspection, ReadOptions, text_pages
from processing.documents.limits import Limits


class Odt:
    """A text document of LibreOffice and its like; its pages are those that it was last laid out with."""

    name: ClassVar[str] = "odt"
    extensions: ClassVar[tuple[str, ...]] = ("odt",)
    media_type: ClassVar[str] = "application/vnd.oasis.opendocument.text"
    modules: ClassVar[tuple[str, ...]] = ("lxml.etree",)

    def matches(self, head: bytes) -> bool:
        return containers.is_zip_of(head, "odt")

    def inspect(self, file: BinaryIO, limits: Limits) -> Inspection:
        return Inspection(len(opentext.pages(file, limits)))

    def read(self, file: BinaryIO, options: ReadOptions, limits: Limits) -> Contents:
        return text_pages(opentext.pages(file, limits), options)


FORMAT = Odt()
