"""Web pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, ClassVar

from processing.documents import hypertext
from processing.documents.contract import Contents, Inspection, Page, ReadOptions
from processing.documents.limits import Limits


class Html:
    """One page; what it refers to is not fetched."""

    name: ClassVar[str] = "html"
    extensions: ClassVar[tuple[str, ...]] = ("html", "htm", "xhtml")
    media_type: ClassVar[str] = "text/html"
    modules: ClassVar[tuple[str, ...]] = ("charset_normalizer", "bs4", "lxml.etree", "processing.documents.hypertables")

    def matches(self, head: bytes) -> bool:
        return hypertext.looks_like_it(head)

    def inspect(self, file: BinaryIO, limits: Limits) -> Inspection:
        hypertext.text_of(file, limits)
        return Inspection(pages=1)

    def read(self, file: BinaryIO, options: ReadOptions, limits: Limits) -> Contents:
        return Contents(1, _page(hypertext.text_of(file, limits), options, limits))


def _page(html: str, options: ReadOptions, limits: Limits) -> Iterator[Page]:
    if options.wants(1):
        text = hypertext.to_markdown(html, limits)
        yield Page(1, text, "text" if text else "none")


FORMAT = Html()
