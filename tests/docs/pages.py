"""The blocks of the documentation's pages that a reader is meant to type."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from tests.stack.service import ROOT

SHELL = ("bash", "sh", "shell", "console")
PYTHON = "python"
INDENTED = "indented"


@dataclass(frozen=True)
class Block:
    """A block of code. `language` is what its fence says, or `indented`."""

    page: str
    line: int
    language: str
    text: str

    def is_named_in(self, names: Iterable[tuple[str, str]]) -> bool:
        """Whether one of the names is its page and the beginning of its first line."""
        first = self.text.splitlines()[0]
        return any(page == self.page and first.startswith(beginning) for page, beginning in names)

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[str]:
    """All pages, from the repository's root."""
    found = sorted((ROOT / "docs").rglob("*.md"))
    return ["README.md", *(str(page.relative_to(ROOT)) for page in found)]


def blocks(page: str) -> list[Block]:
    """Those with a language, and the indented ones, in order."""
    return sorted(_fenced(page), key=lambda block: block.line)


def _fenced(page: str) -> Iterator[Block]:
    lines = (ROOT / page).read_text().splitlines()
    outside: list[tuple[int, str]] = []
    fence: tuple[int, str] | None = None
    for number, line in enumerate(lines, 1):
        mark = re.match(r"\s*```(\w*)", line)
        if mark and fence is None:
            fence = number, mark[1]
            outside.append((number, "```"))
        elif mark and fence is not None:
            start, language = fence
            yield Block(page, start + 1, language, "\n".join(lines[start : number - 1]) + "\n")
            fence = None
        elif fence is None:
            outside.append((number, line))
    yield from _indented(page, outside)


def _indented(page: str, lines: list[tuple[int, str]]) -> Iterator[Block]:
    """After an empty line, and below no point of a list, whose paragraphs are indented too."""
    above = ""
    for is_text, group in groupby(lines, key=lambda each: bool(re.match(r" {0,3}\S", each[1]))):
        found = list(group)
        if is_text:
            above = found[-1][1]
            continue
        code = [(number, line) for number, line in found if line.strip()]
        follows_text = bool(found[0][1].strip())
        if code and not follows_text and not re.match(r" *([-*]|\d+\.) | {2}", above):
            first, last = code[0][0], code[-1][0]
            text = "".join(f"{line[4:]}\n" for number, line in found if first <= number <= last)
            yield Block(page, first, INDENTED, text)
