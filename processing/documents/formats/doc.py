"""Word documents of the older, binary format."""

from __future__ import annotations

from typing import BinaryIO, ClassVar

from processing.documents import containers, ooxml
from processing.documents.contract import Contents, Inspection, ReadOptions, UnreadableDocument, text_pages
from processing.documents.limits import Limits
from processing.documents.word import older, opened


class Doc:
    """A document of Word 97 to 2003; its pages are those that its author ended by a break."""

    name: ClassVar[str] = "doc"
    extensions: ClassVar[tuple[str, ...]] = ("doc",)
    media_type: ClassVar[str] = "application/msword"
    # The library that reads it is loaded by the children: the format is off by default.
    modules: ClassVar[tuple[str, ...]] = ("docx", "olefile", "processing.documents.word.pages")

    def matches(self, head: bytes) -> bool:
        return containers.is_compound_of(head, "doc")

    def inspect(self, file: BinaryIO, limits: Limits) -> Inspection:
        return Inspection(pages=len(_pages(file, limits)))

    def read(self, file: BinaryIO, options: ReadOptions, limits: Limits) -> Contents:
        return text_pages(_pages(file, limits, options.password), options)


def _pages(file: BinaryIO, limits: Limits, password: str | None = None) -> list[str]:
    file.seek(0)
    if file.read(len(containers.OLE)) != containers.OLE:
        raise UnreadableDocument("The file is not a document of the older Word format.", "type_mismatch")
    kind = containers.compound_kind_of(file)
    if kind != "doc":
        raise containers.another(kind, "doc")
    return opened.pages(ooxml.package(older.package(file, password), limits, "docx"))


FORMAT = Doc()
