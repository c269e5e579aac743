"""Plain text."""

from __future__ import annotations

from typing import BinaryIO, ClassVar

from processing.documents import plaintext
from processing.documents.contract import Contents, Inspection, ReadOptions
from processing.documents.limits import Limits


class Text:
    """Text in any encoding that can be told."""

    name: ClassVar[str] = "txt"
    extensions: ClassVar[tuple[str, ...]] = ("txt", "text")
    media_type: ClassVar[str] = "text/plain"
    modules: ClassVar[tuple[str, ...]] = ("charset_normalizer",)

    def matches(self, head: bytes) -> bool:
        return plaintext.looks_like_text(head)

    def inspect(self, file: BinaryIO, limits: Limits) -> Inspection:
        return plaintext.inspect(file)

    def read(self, file: BinaryIO, options: ReadOptions, limits: Limits) -> Contents:
        return plaintext.read(file, options)


FORMAT = Text()
