"""Word documents (OOXML)."""

from __future__ import annotations

from typing import BinaryIO, ClassVar

from processing.documents import ooxml
from processing.documents.contract import Contents, Inspection, ReadOptions, UnreadableDocument, text_pages
from processing.documents.limits import Limits


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
        return Inspection(pages=len(_pages(file, limits)))

    def read(self, file: BinaryIO, options: ReadOptions, limits: Limits) -> Contents:
        return text_pages(_pages(file, limits), options)


def _pages(file: BinaryIO, limits: Limits) -> list[str]:
    import docx

    from processing.documents.word import pages

    package = ooxml.package(file, limits, "docx")
    try:
        return pages.whole(docx.Document(package))
    except ValueError as error:
        if "is not a Word file" in str(error):
            raise UnreadableDocument("The file is not a Word document.", "type_mismatch") from error
        raise ooxml.broken() from error
    except (MemoryError, UnreadableDocument):
        raise
    except Exception as error:
        raise ooxml.broken() from error


FORMAT = Docx()
