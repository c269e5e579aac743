"""A page's words, made into Markdown in reading order."""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from processing.documents.layout import columns, margins, markdown, tables
from processing.documents.layout.pieces import GAP, VERTICAL, Piece, Word, piece, pieces, rows, upright

NUMBERED = re.compile(r"(\d{1,3})[.)]\s")
LEAST_NUMBERS = 3
FLOWING = 5  # words in a piece of a sentence
WIDE, WIDER = 0.62, 1.35  # A letter's width in heights of its line, in usual ones, from which a line has gaps.
TALL = 1.7  # Heights of a line from which a line is two of them.
SHORT = 40
MOST_ODD, MOST_JUMPS = 1, 3
BODY = 0.2  # The share of letters from which a size is not one of headings.
REACH_OF_LINES = 7
MOST_PIECES = 3000
FULL_PAGE = 15  # pieces
BLOCK_GAP = 0.8  # Heights of a line.


@dataclass(frozen=True, slots=True)
class Block:
    """Text that stays together: some rows of a column, or a table. `column` counts the columns, `orders` are the
    places of its pieces in the file, ascending, `numbers` those that begin its lines."""

    text: str
    column: int
    orders: list[int]
    numbers: list[int]

    @property
    def order(self) -> int:
        """Where most of it stands in the file."""
        return self.orders[len(self.orders) // 2]

    @property
    def begin(self) -> int:
        """Where it begins there, a few pieces aside."""
        return self.orders[len(self.orders) // 10]


def plain(lines: Sequence[Word], height: float, gaps: Callable[[float], list[tuple[float, float]]]) -> str | None:
    """The page as Markdown from its lines alone, each given as one word in the file's order; None where that does not
    do, because lines hold cells, or do not follow one another down the page.

    `gaps` tells where rows are broken by a gap of at least so many points.
    """
    if any(abs(line.rise) > VERTICAL * abs(line.run) for line in lines if line.rise and len(line.text) > 2):
        return None
    made = [piece([line]) for line in lines]
    size = _size(made)
    kept = margins.without(made, size, height, reach=REACH_OF_LINES)
    if not _is_simple(kept, size) or _is_broken(kept, gaps(GAP * size)):
        return None
    return markdown.tidy(markdown.paragraphs([[each] for each in kept], size))


def _is_broken(lines: Sequence[Piece], gaps: list[tuple[float, float]]) -> bool:
    """Whether several of the gaps lie within lines."""
    if len(gaps) <= MOST_ODD:
        return False
    inside = sum(any(line.x0 < x < line.x1 and line.y0 < y < line.y1 for line in lines) for x, y in gaps)
    return inside > MOST_ODD


def _is_simple(lines: Sequence[Piece], size: float) -> bool:
    """Whether lines hold no cells and each stands below the one before it, or at the top of the next column."""
    widths = sorted([(each.x1 - each.x0) / (len(each.text) * each.height) for each in lines if each.height > 0])
    usual = widths[len(widths) // 2] if widths else 0.0
    most = min(WIDE, WIDER * usual)
    odd = jumps = 0
    last: float | None = None
    right = 0.0
    for each in lines:
        height, width, letters, middle = each.height, each.x1 - each.x0, len(each.text), (each.y0 + each.y1) / 2
        if height <= 0 or (letters > SHORT and height > TALL * size and width < 0.5 * letters * size):
            return False
        odd += letters > 3 and width > most * letters * height
        if last is not None and middle < last + 0.3 * (height if height < size else size):
            jumps += 1
            odd += middle > last - size
            if middle < last - size and each.x0 < right:
                return False
            right = 0.0
        right = each.x1 if each.x1 > right else right
        last = middle
        if odd > MOST_ODD or jumps > MOST_JUMPS:
            return False
    return True


def markdown_of(words: Sequence[Word], width: float, height: float) -> str:
    """The page as Markdown, from its words in the file's order."""
    sheet = upright(list(words), width, height)
    along = pieces(sheet.words)
    kept = margins.without(along, _size(along), sheet.height) if along else []
    aside = [each.text for each in margins.without_stamps(sheet.aside, kept, sheet.width)]
    if not kept:
        return markdown.tidy("\n".join(aside))
    size = _size(kept)
    blocks = _arranged(kept, size, in_order=True)
    return markdown.tidy("\n\n".join([*(block.text for block in blocks), *aside]))


def recognised(items: Sequence[Piece], height: float | None = None) -> str:
    """Pieces of recognised text, which come in no order, as Markdown. On a page of so many points in height that is
    full of text, heads and feet are left out."""
    if not items:
        return ""
    size = _size(items, share=0.5)
    kept = margins.without(items, size, height) if height is not None and len(items) >= FULL_PAGE else list(items)
    blocks = _arranged(kept, size, in_order=False)
    return markdown.tidy("\n\n".join(block.text for block in blocks))


def _size(items: Sequence[Piece], share: float = BODY) -> float:
    """The height of a line of the text: no more than this share of the letters is larger. Tables and labels do not
    count if there is other text."""
    flowing = [each for each in items if len(each.words) >= FLOWING or len(each.text) > SHORT] or items
    heights = sorted([(each.height, len(each.text)) for each in flowing])
    left = (1 - share) * sum([count for _, count in heights])
    for height, count in heights:
        left -= count
        if left <= 0:
            return height or 1.0
    return 1.0


def _arranged(items: list[Piece], size: float, *, in_order: bool) -> list[Block]:
    """The blocks in reading order: the file's where it reads down each column, else the columns'. Where headings or
    exercises are numbered, the order is the one that counts upwards. What nobody could read is left as it comes: the
    work grows faster than the number of pieces."""
    if len(items) > MOST_PIECES:
        return [_text([[each] for each in items], 0, size, headings=False)]
    by_columns = _blocks(columns.parts(items, size, in_order=in_order), size, headings=in_order)
    choices = [by_columns]
    if in_order and _reads_down(by_columns):
        choices.insert(0, sorted(by_columns, key=lambda block: block.order))
    if len([number for block in by_columns for number in block.numbers]) < LEAST_NUMBERS or _falls(choices[0]) == 0:
        return choices[0]
    across = [part for band in columns.bands(items, size) for part in columns.parts(band, size, in_order=in_order)]
    choices.append(_blocks(across, size, headings=in_order))
    return min(choices, key=_falls)


def _blocks(parts: list[list[Piece]], size: float, *, headings: bool) -> list[Block]:
    found: list[Block] = []
    for column, part in enumerate(parts):
        lines = rows(part)
        start = 0
        for table in tables.find(lines, size):
            found += _texts(lines[start : table.start], column, size, headings=headings)
            within = lines[table.start : table.end]
            found.append(Block(table.markdown(), column, sorted([each.order for row in within for each in row]), []))
            start = table.end
        found += _texts(lines[start:], column, size, headings=headings)
    return found


def _texts(lines: list[list[Piece]], column: int, size: float, *, headings: bool) -> list[Block]:
    groups: list[list[list[Piece]]] = []
    bottom = 0.0
    for row in lines:
        if not groups or min(each.y0 for each in row) - bottom > BLOCK_GAP * size:
            groups.append([])
        groups[-1].append(row)
        bottom = max(each.y1 for each in row)
    return [_text(group, column, size, headings=headings) for group in groups]


def _text(lines: list[list[Piece]], column: int, size: float, *, headings: bool) -> Block:
    text = markdown.paragraphs(lines, size, headings=headings)
    numbers = [int(found[1]) for line in text.splitlines() if (found := NUMBERED.match(line.lstrip("# ")))]
    return Block(text, column, sorted([each.order for row in lines for each in row]), numbers)


def _reads_down(blocks: list[Block]) -> bool:
    """Whether the file's order goes down each column, and finishes a block before it begins another."""
    for before, after in itertools.pairwise(blocks):
        if before.column == after.column and after.order < before.order:
            return False
    ordered = sorted(blocks, key=lambda block: block.order)
    return all(
        (len(before.orders) - bisect.bisect(before.orders, after.begin)) * 5 <= len(before.orders)
        for before, after in itertools.pairwise(ordered)
    )


def _falls(blocks: list[Block]) -> int:
    """How often numbers at the beginning of lines go down."""
    numbers = [number for block in blocks for number in block.numbers]
    return sum(b < a for a, b in itertools.pairwise(numbers))
