"""A document in pieces: paragraphs put together up to a size, tables and headings kept in one piece with their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from modelsregistry.contract import SourcePage


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of page `page`; `text` is Markdown. A piece holds text of one page alone."""

    page: int
    text: str


def chunks(pages: Sequence[SourcePage], size: int, overlap: int) -> list[Chunk]:
    """The document's pieces in reading order, of at most `size` characters each where no table is longer.

    A paragraph that is longer is cut at a space, and each piece of it begins with the last `overlap` characters of the
    one before. A table is never cut.
    """
    return [Chunk(page.number, text) for page in pages for text in _pieces(page.text, size, min(overlap, size // 2))]


def _pieces(text: str, size: int, overlap: int) -> Iterator[str]:
    gathered: list[str] = []
    length = 0
    for block in _blocks(text):
        for part in [block] if is_table(block) or len(block) <= size else _cut(block, size, overlap):
            # A heading goes with what follows it, even where that makes a piece a little longer.
            if gathered and length + len(part) > size and not gathered[-1].startswith("#"):
                yield "\n\n".join(gathered)
                gathered, length = [], 0
            gathered.append(part)
            length += len(part)
    if gathered:
        yield "\n\n".join(gathered)


def _blocks(text: str) -> Iterator[str]:
    """What blank lines part; a table is a block of its own, whatever stands around it."""
    lines: list[str] = []
    for line in [*text.splitlines(), ""]:
        turns = bool(lines) and line.lstrip().startswith("|") != lines[-1].lstrip().startswith("|")
        if lines and (not line.strip() or turns):
            yield "\n".join(lines)
            lines = []
        if line.strip():
            lines.append(line)


def is_table(block: str) -> bool:
    """Whether every line of the block is a row of a Markdown table."""
    return all(line.lstrip().startswith("|") for line in block.splitlines())


def _cut(block: str, size: int, overlap: int) -> Iterator[str]:
    start = 0
    while start < len(block):
        end = min(start + size, len(block))
        if end < len(block):
            space = max(block.rfind(" ", start + size // 2, end), block.rfind("\n", start + size // 2, end))
            end = space if space > start else end
        yield block[start:end].strip()
        if end == len(block):
            return
        start = max(end - overlap, start + 1)
        if overlap and (space := block.find(" ", start, end)) > 0:
            start = space + 1
