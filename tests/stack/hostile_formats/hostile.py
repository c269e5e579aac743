"""A format whose documents do to their reader what they say: `segfault`, or `segfault when inspected`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from processing.documents.contract import Contents, Inspection, Page, ReadOptions
from processing.documents.limits import Limits
from tests.documents import mocks


def compute_in_c() -> Iterator[Page]:
    """A search without an end, in which no Python code runs."""
    re.match("(a+)+$", "a" * 60 + "b")
    yield Page(1, "", "none")


class Hostile:
    name = "hostile"
    extensions = ("hostile",)
    media_type = "application/x-hostile"
    modules = ()

    def matches(self, head: bytes) -> bool:
        return True

    def inspect(self, file: BinaryIO, limits: Limits) -> Inspection:
        how, _, when = file.read().decode().partition(" ")
        if when == "when inspected":
            list(_pages(how))
        return Inspection(None)

    def read(self, file: BinaryIO, options: ReadOptions, limits: Limits) -> Contents:
        return Contents(None, _pages(file.read().decode()))


def _pages(how: str) -> Iterator[Page]:
    pages: Iterator[Page] = (globals().get(how) or getattr(mocks, how))()
    return pages


FORMAT = Hostile()
