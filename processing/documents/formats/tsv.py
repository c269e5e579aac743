"""Tab-separated values."""

from __future__ import annotations

from typing import BinaryIO, ClassVar

from processing.documents import delimited, hypertext, plaintext
from processing.documents.contract import Contents, Inspection, ReadOptions
from processing.documents.limits import Limits


class Tsv:
    """A table as text; its pages are pieces of it, each with the heading."""

    name: ClassVar[str] = "tsv"
    extensions: ClassVar[tuple[str, ...]] = ("tsv", "tab")
    media_type: ClassVar[str] = "text/tab-separated-values"
    modules: ClassVar[tuple[str, ...]] = ("charset_normalizer", "csv")

    def matches(self, head: bytes) -> bool:
        """Any text, because a table of one column looks like nothing else, but for what says that it is HTML."""
        return plaintext.looks_like_text(head) and not hypertext.says_so(head)

    def inspect(self, file: BinaryIO, limits: Limits) -> Inspection:
        return delimited.inspect(file, "\t", limits)

    def read(self, file: BinaryIO, options: ReadOptions, limits: Limits) -> Contents:
        return delimited.read(file, "\t", options, limits)


FORMAT = Tsv()
