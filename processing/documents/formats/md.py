"""Markdown text."""

from __future__ import annotations

from typing import BinaryIO, ClassVar

from processing.documents import plaintext
from processing.documents.contract import Contents, Inspection, ReadOptions
from processing.documents.limits import Limits


class Markdown:
    """Markdown, kept as it is written."""

    name: ClassVar[str] = "md"
    extensions: ClassVar[tuple[str, ...]] = ("md", "markdown")
    media_type: ClassVar[str] = "text/markdown"
    modules: ClassVar[tuple[str, ...]] = ("charset_normalizer",)

    def matches(self, head: bytes) -> bool:
        return plaintext.looks_like_text(head)

    def inspect(self, file: BinaryIO, limits: Limits) -> Inspection:
        return plaintext.inspect(file)

    def read(self, file: BinaryIO, options: ReadOptions, limits: Limits) -> Contents:
        return plaintext.read(file, options)


FORMAT = Markdown()
