"""Files that are attached to a message, read as further pages of it: in the same child, within the same limits."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Generator, Iterator
from typing import BinaryIO

from processing.documents import markdown, registry
from processing.documents.contract import (
    Contents,
    Enclosed,
    Enclosing,
    Format,
    Page,
    ReadOptions,
    UnreadableDocument,
)
from processing.documents.limits import Limits
from processing.errors import InvalidInput

DAMAGED = "The document is damaged and cannot be opened."


def contents(kind: Format, file: BinaryIO, options: ReadOptions, limits: Limits) -> Contents:
    """The file's own pages, and those of the files attached to it, in their order. What is attached to these is left
    aside. Raises `UnreadableDocument`."""
    own = kind.read(file, options, limits)
    found = _readable(kind, file, options, limits)
    return Contents(None, _pages(own, found, options, limits)) if found else own


def are_there(kind: Format, file: BinaryIO, options: ReadOptions, limits: Limits) -> bool:
    """Whether anything attached would be read, so that only reading tells how many pages there are."""
    return bool(_readable(kind, file, options, limits))


def _readable(kind: Format, file: BinaryIO, options: ReadOptions, limits: Limits) -> list[tuple[Format, Enclosed]]:
    """The first of the attached files that can be read, as many as may be."""
    found: list[tuple[Format, Enclosed]] = []
    if not options.enclosed or not isinstance(kind, Enclosing):
        return found
    left = limits.enclosed_bytes
    for each in kind.enclosed(file, limits):
        inner = _kind_of(each, options.enclosed)
        if inner is None:
            continue
        left -= len(each.content)
        if left < 0 or len(found) == limits.enclosed_files:
            break
        found.append((inner, each))
    return found


def _kind_of(each: Enclosed, names: frozenset[str]) -> Format | None:
    """By name and content together, as of any file; what has no extension is left aside."""
    if "." not in each.name:
        return None
    try:
        return registry.identify(each.name, each.content[: registry.HEAD], supported=names, blocked=())
    except InvalidInput:
        return None


def _pages(own: Contents, found: list[tuple[Format, Enclosed]], options: ReadOptions, limits: Limits) -> Iterator[Page]:
    yield from own.pages
    before = own.page_count or 0
    for kind, each in found:
        before += yield from _pages_of(kind, each, options, limits, before)


def _pages_of(
    kind: Format, each: Enclosed, options: ReadOptions, limits: Limits, before: int
) -> Generator[Page, None, int]:
    """The pages of one attached file, each under the file's name, counted on from the pages `before`; returns how many
    the file has. One that cannot be read is a page that says so."""
    only = None if options.only is None else frozenset(number - before for number in options.only if number > before)
    inner = dataclasses.replace(options, only=only, enclosed=frozenset())
    last = 0
    try:
        read = kind.read(io.BytesIO(each.content), inner, limits)
        for page in read.pages:
            last = page.number
            title = each.name if read.page_count == 1 else f"{each.name}, page {page.number}"
            text = markdown.joined([markdown.heading(2, title), page.text])
            yield dataclasses.replace(page, number=before + page.number, text=text)
        return _count(kind, each, read, inner, limits) or last
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - what a parser raises at a damaged attachment does not spoil the message
        detail = error.detail if isinstance(error, UnreadableDocument) else DAMAGED
        if options.wants(before + last + 1):
            text = markdown.joined([markdown.heading(2, each.name), f"(not read: {detail})"])
            yield Page(before + last + 1, text, "none")
        return last + 1


def _count(kind: Format, each: Enclosed, read: Contents, inner: ReadOptions, limits: Limits) -> int:
    """How many pages a file has of which some were read; 0 where the last that was read is the last there is."""
    if read.page_count is not None:
        return read.page_count
    if inner.only is None:
        return 0
    whole = dataclasses.replace(inner, only=None, images=False, ocr=False)
    return sum(1 for _ in kind.read(io.BytesIO(each.content), whole, limits).pages)
