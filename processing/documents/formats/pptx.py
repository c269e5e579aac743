"""PowerPoint presentations (OOXML)."""

from __future__ import annotations

from typing import Any, BinaryIO, ClassVar

from processing.documents import ooxml, slides
from processing.documents.contract import Contents, Inspection, ReadOptions, UnreadableDocument
from processing.documents.limits import Limits


class Pptx:
    """A presentation; its pages are its slides."""

    name: ClassVar[str] = "pptx"
    extensions: ClassVar[tuple[str, ...]] = ("pptx", "pptm")
    media_type: ClassVar[str] = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
    # python-pptx would cost every server 9 MB for a format that is off by default: its children load it.
    modules: ClassVar[tuple[str, ...]] = ("lxml.etree", "olefile")

    def matches(self, head: bytes) -> bool:
        """A zip archive, or the container in which PowerPoint encrypts one: the rest is seen when it is opened."""
        return ooxml.matches(head, "pptx")

    def inspect(self, file: BinaryIO, limits: Limits) -> Inspection:
        return Inspection(slides.contents(_opened(file, limits), ReadOptions(), limits).page_count)

    def read(self, file: BinaryIO, options: ReadOptions, limits: Limits) -> Contents:
        return slides.contents(_opened(file, limits, options.password), options, limits)


def _opened(file: BinaryIO, limits: Limits, password: str | None = None) -> Any:
    package = ooxml.package(file, limits, "pptx", password)
    import pptx

    try:
        return pptx.Presentation(package)
    except (MemoryError, UnreadableDocument):
        raise
    except Exception as error:
        raise ooxml.broken() from error


FORMAT = Pptx()
