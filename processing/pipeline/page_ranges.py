"""Which pages a caller wants read: `1-3,7` or `5-`, counted as a person counts."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

MAX_LENGTH = 1000  # characters
MAX_PAGE = 100_000
_PIECE = re.compile(r"(\d{1,6})(?:\s*-\s*(\d{1,6})?)?")
_CODE_WORDS = "Name pages such as 1-3,7 or 5- (the first page is 1)."


class BadPages(ValueError):
    """What was written names no pages; the message is a sentence for the caller."""


@functools.lru_cache(maxsize=256)
def parse(text: str, page_count: int | None = None) -> frozenset[int]:
    """The page numbers that `text` names, those beyond `page_count` left out where it is known.

    Raises `BadPages` where it cannot be read, goes backwards, or names no page that the document has.
    """
    if len(text) > MAX_LENGTH:
        raise BadPages(f"This is too long. {_CODE_WORDS}")
    last = MAX_PAGE if page_count is None else page_count
    found: set[int] = set()
    reached = 0
    for pages in sorted((_pages(piece.strip(), last) for piece in text.split(",")), key=lambda each: each.start):
        found.update(range(max(pages.start, reached), pages.stop))  # no page twice, however often it is named
        reached = max(reached, pages.stop)
    if not found:
        raise BadPages(f"The document has {last} page{'s' if last != 1 else ''}, and none of these.")
    return frozenset(found)


def _pages(piece: str, last: int) -> range:
    match = _PIECE.fullmatch(piece)
    if match is None:
        raise BadPages(_CODE_WORDS)
    first = int(match[1])
    until = int(match[2]) if match[2] else last if "-" in piece else first
    if first < 1:
        raise BadPages("The first page is 1.")
    if match[2] and until < first:
        raise BadPages(f"{first}-{until} goes backwards.")
    return range(first, min(until, last) + 1)


def shown(numbers: Iterable[int]) -> str:
    """The shortest way to write these pages, as `parse` reads it; empty for none."""
    spans: list[list[int]] = []
    for number in sorted(set(numbers)):
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)
