"""Words and the pieces they make: what is written on one line without a wide gap. The origin is the page's top left."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

GAP = 1.0  # Heights of a line that two words stand apart when they are no longer one piece.
TOUCHING, BACK = 0.3, 0.6
SAME_LINE = 0.5  # The share of the lower one's height by which two words of one line overlap.
VERTICAL, SLANTED = 2.0, 0.35  # rise by run
RIGHT_TO_LEFT = re.compile(r"[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")


class Word(NamedTuple):
    """A text and its box. `order` is its place in the file, `line` the line it has there; `rise` and `run` lead from
    the middle of its first character to the middle of its last."""

    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    order: int = 0
    line: int = 0
    run: float = 0.0
    rise: float = 0.0

    @property
    def height(self) -> float:
        return self.y1 - self.y0


@dataclass(slots=True)
class Piece:
    """Words that stand side by side, and the box around them."""

    words: list[Word]
    x0: float
    y0: float
    x1: float
    y1: float
    height: float
    order: int
    text: str

    @property
    def middle(self) -> float:
        return (self.y0 + self.y1) / 2

    @property
    def centre(self) -> float:
        return (self.x0 + self.x1) / 2

    def is_over(self, others: Iterable[Piece]) -> bool:
        """Whether one of the others covers the middle of this one, or this one the middle of the other."""
        return any(
            (other.x0 < self.centre < other.x1 and other.y0 < self.middle < other.y1)
            or (self.x0 < other.centre < self.x1 and self.y0 < other.middle < self.y1)
            for other in others
        )


def piece(words: Sequence[Word]) -> Piece:
    """The words as one piece, in the order given."""
    first = words[0]
    if len(words) == 1:
        return Piece([first], first.x0, first.y0, first.x1, first.y1, first.y1 - first.y0, first.order, first.text)
    texts, lefts, tops, rights, bottoms, *_ = zip(*words, strict=True)
    x0, y0, x1, y1 = min(lefts), min(tops), max(rights), max(bottoms)
    height = y1 - y0
    if y0 != max(tops) or y1 != min(bottoms):
        height = sorted([bottom - top for top, bottom in zip(tops, bottoms, strict=True)])[len(words) // 2]
    return Piece(list(words), x0, y0, x1, y1, height, first.order, " ".join(texts))


def pieces(words: Iterable[Word]) -> list[Piece]:
    """Words in the file's order, as pieces in the same order.

    A word continues a piece on the same line, in either direction of writing; text of another line of the file only
    where it touches: a raised number, a letter in another font.
    """
    made: list[list[Word]] = []
    last: Word | None = None
    last_line, last_x1, last_y0, last_y1 = -1, 0.0, 0.0, 0.0
    for word in words:
        line, x1, y0, y1 = word.line, word.x1, word.y0, word.y1
        goes_on = line == last_line and y0 == last_y0 and y1 == last_y1  # as nearly every word is
        goes_on = goes_on and -BACK * (y1 - y0) <= word.x0 - last_x1 <= GAP * (y1 - y0)
        if goes_on or (last is not None and _goes_on(last, word)):
            made[-1].append(word)
        else:
            made.append([word])
        last, last_line, last_x1, last_y0, last_y1 = word, line, x1, y0, y1
    return [piece(each) for each in made]


def _goes_on(last: Word, word: Word) -> bool:
    """Whether a word continues the piece that ends with the last one."""
    y0, y1, last_y0, last_y1 = word.y0, word.y1, last.y0, last.y1
    one, other = last_y1 - last_y0, y1 - y0
    low, high = (one, other) if one < other else (other, one)
    overlap = (last_y1 if last_y1 < y1 else y1) - (last_y0 if last_y0 > y0 else y0)
    gap = word.x0 - last.x1
    if gap < -low and RIGHT_TO_LEFT.search(word.text):
        gap = last.x0 - word.x1
    most = GAP * high if word.line == last.line else TOUCHING * low
    return overlap >= SAME_LINE * low and -BACK * low <= gap <= most


@dataclass(frozen=True, slots=True)
class Sheet:
    """A page's width and height, and its words: those that run along it, and pieces of text in other directions."""

    width: float
    height: float
    words: list[Word]
    aside: list[Piece]


def upright(words: list[Word], width: float, height: float) -> Sheet:
    """The page turned so that most of its text runs from left to right; what runs otherwise is put aside.

    Slanted words, as stand over the columns of narrow tables, are taken to stand where they begin.
    """
    if not _runs_otherwise(words):
        return Sheet(width, height, words, [])
    words, width, height = _set_upright(words, width, height)
    along: list[Word] = []
    across: list[Word] = []
    for word in words:
        if abs(word.rise) <= SLANTED * abs(word.run):
            along.append(word)
        elif abs(word.rise) > VERTICAL * abs(word.run):
            across.append(word)
        else:
            along.append(_where_it_begins(word))
    return Sheet(width, height, along, _aside(across))


def _runs_otherwise(words: list[Word]) -> bool:
    """Whether any word does not run from left to right."""
    for word in words:
        rise, run = word.rise, word.run
        if (rise or run < 0) and not -SLANTED * run <= rise <= SLANTED * run:
            return True
    return False


def _set_upright(words: list[Word], width: float, height: float) -> tuple[list[Word], float, float]:
    up = sum(len(word.text) for word in words if -word.rise > VERTICAL * abs(word.run))
    down = sum(len(word.text) for word in words if word.rise > VERTICAL * abs(word.run))
    back = sum(len(word.text) for word in words if _runs_back(word))
    half = sum(len(word.text) for word in words) / 2
    if up > half:
        turned = [_turned(word, height - word.y1, word.x0, height - word.y0, word.x1) for word in words]
        return turned, height, width
    if down > half:
        turned = [_turned(word, word.y0, width - word.x1, word.y1, width - word.x0, by=-1) for word in words]
        return turned, height, width
    if back > half:
        turned = [
            Word(w.text, width - w.x1, height - w.y1, width - w.x0, height - w.y0, w.order, w.line, -w.run, -w.rise)
            for w in words
        ]
        return turned, width, height
    return words, width, height


def _runs_back(word: Word) -> bool:
    return word.run < 0 and abs(word.rise) < -SLANTED * word.run and not RIGHT_TO_LEFT.search(word.text)


def _turned(word: Word, x0: float, y0: float, x1: float, y1: float, by: int = 1) -> Word:
    return Word(word.text, x0, y0, x1, y1, word.order, word.line, -by * word.rise, by * word.run)


def _where_it_begins(word: Word) -> Word:
    size = word.height / (1 + abs(math.hypot(word.rise, word.run)) / max(word.height, 1.0))
    x0 = word.x0 if word.run > 0 else word.x1 - size
    y0 = word.y1 - size if word.rise < 0 else word.y0
    return Word(word.text, x0, y0, x0 + size, y0 + size, word.order, word.line)


def _aside(words: list[Word]) -> list[Piece]:
    """Text across the page: one piece for each of its lines in the file."""
    lines: dict[int, list[Word]] = {}
    for word in words:
        lines.setdefault(word.line, []).append(word)
    return [piece(line) for line in lines.values()]


def rows(items: Iterable[Piece]) -> list[list[Piece]]:
    """Pieces as they stand side by side: rows from top to bottom, each from left to right."""
    found: list[list[Piece]] = []
    bottoms: list[float] = []
    for each in sorted(items, key=lambda item: item.y0 + item.y1):
        top, bottom = each.y0, each.y1
        for place in (-1, -2, -3)[: len(found)]:
            if bottoms[place] > top and _beside(found[place], each):
                found[place].append(each)
                bottoms[place] = max(bottoms[place], bottom)
                break
        else:
            found.append([each])
            bottoms.append(bottom)
    for row in found:
        if len(row) > 1:
            row.sort(key=lambda item: item.x0)
    found.sort(key=lambda row: row[0].middle if len(row) == 1 else sum([item.middle for item in row]) / len(row))
    return found


def _beside(row: list[Piece], each: Piece) -> bool:
    """Whether a piece stands at the height of the row's nearest one, and over none of them."""
    x0, y0, x1, y1 = each.x0, each.y0, each.x1, each.y1
    nearest, least = row[0], float("inf")
    slack = 0.3 * (y1 - y0)
    for item in row:
        apart = item.x0 - x1 if item.x0 > x0 else x0 - item.x1
        if apart < -slack:
            return False
        if apart < least:
            nearest, least = item, apart
    tall, other = y1 - y0, nearest.y1 - nearest.y0
    overlap = (y1 if y1 < nearest.y1 else nearest.y1) - (y0 if y0 > nearest.y0 else nearest.y0)
    return overlap > SAME_LINE * (tall if tall < other else other)
