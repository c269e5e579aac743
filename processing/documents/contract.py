"""What a document is once it is read: numbered pages of Markdown, maybe with pictures. Plain data, free of Django.

A `Format` knows one kind of file. It runs inside the sandbox's child, so it may be slow, crash or be killed; it never
reaches for the network, the database or a file other than the one it is handed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, ClassVar, Protocol, runtime_checkable

from processing.documents.limits import Limits

METHODS = frozenset({"text", "layout", "ocr", "none"})
IMAGE_TYPES = frozenset({"image/jpeg", "image/png"})
Rectangle = tuple[float, float, float, float]
"""Left, top, right and bottom as shares (0 to 1) of a page's width and height, from its top left corner."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How to read: `images` asks for a picture of every page, no side over `image_max_side` pixels; with `spare_images`
    only of those that show more than their text tells, their figures included where `figures` says so; `ocr` allows
    text recognition where a page has no usable text of its own; `only` limits the reading to these page numbers;
    `password` opens a file that is encrypted, and is shown nowhere; `enclosed` names the formats whose files are read
    too where they are attached to the file."""

    images: bool = False
    spare_images: bool = False
    figures: bool = True
    ocr: bool = True
    image_max_side: int = 1568
    only: frozenset[int] | None = None
    password: str | None = field(default=None, repr=False)
    enclosed: frozenset[str] = frozenset()

    def wants(self, number: int) -> bool:
        return self.only is None or number in self.only


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is known of a file without reading it: `pages` is None where the format cannot tell cheaply."""

    pages: int | None


@dataclass(frozen=True, slots=True)
class Page:
    """One page as a person counts it (1 …).

    `text` is Markdown in reading order; `method` tells where it came from: `text` (the file's own text), `layout` (the
    same, put in order by where it stands on the page), `ocr`, or `none` (nothing was found). `image` is a JPEG or PNG,
    as `image_type` says.
    """

    number: int
    text: str
    method: str
    image: bytes | None = None
    image_type: str | None = None


@dataclass(frozen=True, slots=True)
class Contents:
    """A file that has been opened: how many pages the whole of it has (None if unknown), and the pages to be read."""

    page_count: int | None
    pages: Iterator[Page]


def text_pages(texts: Sequence[str], options: ReadOptions) -> Contents:
    """Pages whose text is all that they have."""
    pages = (
        Page(number, text, "text" if text else "none") for number, text in enumerate(texts, 1) if options.wants(number)
    )
    return Contents(len(texts), pages)


class Format(Protocol):
    """One kind of file. A module in `formats/` names its implementation `FORMAT`.

    `name` is what `supported_formats` lists, where any of the `extensions` may stand for it; `extensions` are without
    the dot, in lower case; `media_type` is what the service says of the file, whatever the client claimed; `modules`
    are what the sandbox's server imports ahead, so that no child pays for it: they start no thread on import.
    """

    name: ClassVar[str]
    extensions: ClassVar[tuple[str, ...]]
    media_type: ClassVar[str]
    modules: ClassVar[tuple[str, ...]]

    def matches(self, head: bytes) -> bool:
        """Whether a file that begins with `head` (up to 8 KiB) can be of this format."""
        ...

    def inspect(self, file: BinaryIO, limits: Limits) -> Inspection:
        """Open the file as far as needed to know that it is whole and not encrypted.

        A file that comes with a password is not inspected but opened by `read`, which takes the password. Raises
        `UnreadableDocument`.
        """
        ...

    def read(self, file: BinaryIO, options: ReadOptions, limits: Limits) -> Contents:
        """Open the file; its pages come one at a time, one held at most. Both steps raise `UnreadableDocument`."""
        ...


@runtime_checkable
class Placing(Protocol):
    """A format whose text has places: it knows where on a page a passage stands."""

    def places(
        self, file: BinaryIO, number: int, passages: Sequence[str], options: ReadOptions, limits: Limits
    ) -> list[list[Rectangle]] | None:
        """The rectangles of each passage on page `number`, none for one that is not there. None instead of a list
        where the page shows more than its text tells, so that its picture must be looked at."""
        ...


@runtime_checkable
class Warming(Protocol):
    """A format whose first file takes longer than the next ones."""

    def warm(self) -> None:
        """Read a small file of its own. The sandbox's server calls it, and a child that waits for its document."""
        ...


@dataclass(frozen=True, slots=True)
class Enclosed:
    """A file inside a file, with the name that it has there."""

    name: str
    content: bytes


@runtime_checkable
class Enclosing(Protocol):
    """A format whose files carry other files: messages with attachments."""

    def enclosed(self, file: BinaryIO, limits: Limits) -> Iterator[Enclosed]:
        """The files inside the file, whatever they are. Raises `UnreadableDocument`."""
        ...


@dataclass(frozen=True, slots=True)
class PagePicture:
    """A page as a PNG with passages marked, and the rectangles of each passage in the order asked for."""

    png: bytes
    rectangles: tuple[tuple[Rectangle, ...], ...]


class UnreadableDocument(Exception):
    """The file is broken, encrypted or beyond a limit; `code` is stable, `detail` is a sentence for the client.

    Codes: `document_broken`, `document_encrypted` (it needs a password, or is of a kind that no password opens here),
    `wrong_password`, `document_too_complex`, and `type_mismatch` for a file that turns out to be of another kind than
    its name says; of a page that is to be shown, `no_such_page` and `no_page_picture`.
    """

    def __init__(self, detail: str, code: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code
