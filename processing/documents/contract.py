"""What a document is once it is read: numbered pages of Markdown, maybe with pictures. Plain data, free of Django.

A `Format` knows one kind of file. It runs inside the sandbox's child, so it may be slow, crash or be killed; it never
reaches for the network, the database or a file other than the one it is handed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, ClassVar, Protocol


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How to read: `images` asks for a picture of every page, no side over `image_max_side` pixels; `ocr` allows text
    recognition where a page has no usable text of its own; `only` limits the reading to these page numbers."""

    images: bool = False
    ocr: bool = True
    image_max_side: int = 1568
    only: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is known of a file without reading it: `pages` is None where the format cannot tell cheaply."""

    pages: int | None


@dataclass(frozen=True, slots=True)
class Page:
    """One page as a person counts it (1 …).

    `text` is Markdown in reading order; `method` tells where it came from: `text` (the file's own text), `ocr`, or
    `none` (nothing was found). `image` is a JPEG or PNG, as `image_type` says.
    """

    number: int
    text: str
    method: str
    image: bytes | None = None
    image_type: str | None = None


class Format(Protocol):
    """One kind of file.

    `name` is what `supported_formats` lists; `extensions` are without the dot, in lower case; `media_type` is what the
    service says of the file, whatever the client claimed.
    """

    name: ClassVar[str]
    extensions: ClassVar[tuple[str, ...]]
    media_type: ClassVar[str]

    def matches(self, head: bytes) -> bool:
        """Whether a file that begins with `head` (up to 8 KiB) can be of this format."""
        ...

    def inspect(self, file: BinaryIO) -> Inspection:
        """Open the file as far as needed to know that it is whole and not encrypted.

        Raises `UnreadableDocument`.
        """
        ...

    def read(self, file: BinaryIO, options: ReadOptions) -> Iterator[Page]:
        """Yield the pages one at a time, holding one at most. Raises `UnreadableDocument`."""
        ...


class UnreadableDocument(Exception):
    """The file is broken, encrypted or beyond a limit; `code` is stable, `detail` is a sentence for the client."""

    def __init__(self, detail: str, code: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code
