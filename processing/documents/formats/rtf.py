"""Rich Text Format."""

from __future__ import annotations

import os
from typing import BinaryIO, ClassVar

from processing.documents import richtext
from processing.documents.contract import Contents, Inspection, ReadOptions, text_pages
from processing.documents.limits import Limits


class Rtf:
    """Rich text; a page ends where the author has ended it."""

    name: ClassVar[str] = "rtf"
    extensions: ClassVar[tuple[str, ...]] = ("rtf",)
    media_type: ClassVar[str] = "application/rtf"
    modules: ClassVar[tuple[str, ...]] = ("striprtf.striprtf",)

    def matches(self, head: bytes) -> bool:
        return head.startswith(richtext.SIGNATURE)

    def inspect(self, file: BinaryIO, limits: Limits) -> Inspection:
        """A large one is not converted twice: it takes a second for each megabyte."""
        if file.seek(0, os.SEEK_END) > limits.counted_bytes:
            richtext.source_of(file, limits)
            return Inspection(pages=None)
        return Inspection(len(richtext.pages(file, limits)))

    def read(self, file: BinaryIO, options: ReadOptions, limits: Limits) -> Contents:
        return text_pages(richtext.pages(file, limits), options)


FORMAT = Rtf()
