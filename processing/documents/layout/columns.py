"""Columns: a page is cut where a gutter runs between two texts, again and again, until each part is one column."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from string import digits

from processing.documents.layout.pieces import RIGHT_TO_LEFT, Piece, rows

LEAST_ROWS = 3
DIGIT = re.compile(r"\d")
GUTTER = 0.5  # Heights of a line.
SHORT = 15  # letters of a cell
DEEPEST = 12
MOST_CANDIDATES = 40


@dataclass(frozen=True, slots=True)
class _Cut:
    above: list[Piece]
    left: list[Piece]
    right: list[Piece]
    below: list[Piece]
    height: float


def parts(items: list[Piece], size: float, *, in_order: bool) -> list[list[Piece]]:
    """The page's columns in reading order. `size` is the height of a line; `in_order` says that the order of the
    pieces in the file means something."""
    turned = sum([not each.text.isascii() and bool(RIGHT_TO_LEFT.search(each.text)) for each in items]) * 2 > len(items)
    found: list[list[Piece]] = []
    _divide(items, size, found, in_order=in_order, turned=turned, depth=0)
    return found


def _divide(
    items: list[Piece], size: float, found: list[list[Piece]], *, in_order: bool, turned: bool, depth: int
) -> None:
    cut = _cut(items, size, in_order=in_order) if len(items) >= 2 * LEAST_ROWS and depth < DEEPEST else None
    if cut is None:
        if items:
            found.append(items)
        return
    sides = (cut.right, cut.left) if turned else (cut.left, cut.right)
    for part in (cut.above, *sides, cut.below):
        _divide(part, size, found, in_order=in_order, turned=turned, depth=depth + 1)


def bands(items: list[Piece], size: float) -> list[list[Piece]]:
    """The page cut from side to side wherever a blank strip of more than a line crosses it."""
    found: list[list[Piece]] = []
    bottom = float("-inf")
    for each in sorted(items, key=lambda item: item.y0):
        if not found or each.y0 - bottom > size:
            found.append([])
        found[-1].append(each)
        bottom = max(bottom, each.y1)
    return found


def _cut(items: list[Piece], size: float, *, in_order: bool) -> _Cut | None:
    """The gutter that divides the tallest part of the items, if there is one."""
    falling = sorted(items, key=lambda item: item.y0)
    cuts = [cut for x in _candidates(items, size) for cut in _cuts_at(x, falling, size)]
    cuts.sort(key=lambda cut: -cut.height)
    best = next((cut for cut in cuts if _are_columns(cut, size, in_order=in_order)), None)
    return None if best is None else _with_the_others(best, falling)


def _candidates(items: list[Piece], size: float) -> list[float]:
    """Where several lines begin, one below the other."""
    edges: dict[int, list[float]] = {}
    first = min([each.x0 for each in items]) + size
    for each in items:
        if each.x0 < first:
            continue
        edges.setdefault(round(each.x0 / size), []).append(each.x0)
    shared: list[list[float]] = []
    for slot, places in edges.items():
        near = places + edges.get(slot + 1, [])
        if len(near) >= LEAST_ROWS:
            shared.append(near)
    shared.sort(key=len, reverse=True)
    return [min(places) for places in shared[:MOST_CANDIDATES]]


def _cuts_at(x: float, falling: list[Piece], size: float) -> list[_Cut]:
    """The parts of the page that a gutter ending at `x` divides, from crossing to crossing."""
    found: list[_Cut] = []
    left: list[Piece] = []
    right: list[Piece] = []
    begin, end = x - GUTTER * size, x - 0.1 * size
    for each in [*falling, None]:
        if each is not None and each.x1 <= begin:
            left.append(each)
        elif each is not None and each.x0 >= end:
            right.append(each)
        else:
            if len(left) >= LEAST_ROWS and len(right) >= LEAST_ROWS:
                height = min(_bottom(left), _bottom(right)) - max(left[0].y0, right[0].y0)
                found.append(_Cut([], left, right, [], height))
            left, right = [], []
    return found


def _with_the_others(cut: _Cut, falling: list[Piece]) -> _Cut:
    """The cut with what lies above and below it; rows of cells at its ends are no part of the columns."""
    lines = rows([*cut.left, *cut.right])
    while len(lines) > 2 * LEAST_ROWS and _is_cells(lines[-1]):
        lines.pop()
    while len(lines) > 2 * LEAST_ROWS and _is_cells(lines[0]):
        lines.pop(0)
    inside = {id(each) for row in lines for each in row}
    top = min(each.y0 for each in lines[0])
    outside = [each for each in falling if id(each) not in inside]
    return _Cut(
        [each for each in outside if each.y0 <= top],
        [each for each in cut.left if id(each) in inside],
        [each for each in cut.right if id(each) in inside],
        [each for each in outside if each.y0 > top],
        cut.height,
    )


def _is_cells(row: Sequence[Piece]) -> bool:
    return len(row) > 2 and sum(len(each.text) for each in row) < SHORT * len(row)


def _bottom(items: Sequence[Piece]) -> float:
    return max(each.y1 for each in items)


def _are_columns(cut: _Cut, size: float, *, in_order: bool) -> bool:
    """Whether both sides are read downwards, and not across as the rows of a table are."""
    if cut.height < (LEAST_ROWS - 0.5) * size:
        return False
    left, right = _Side(cut.left, size), _Side(cut.right, size)
    if min(left.rows, right.rows) < LEAST_ROWS or left.labels > 0.4:
        return False
    if left.figures() > 0.5 or right.figures() > 0.5:
        return False
    fewest = min(left.letters, right.letters)
    full = min(left.filled, right.filled)
    if not in_order:
        return fewest >= 22 and full >= 0.55
    changes = _changes(cut)
    if changes > 2 + 0.5 * min(left.rows, right.rows):
        return fewest >= 25 and full >= 0.65
    return fewest >= 8 and (changes <= 6 or fewest >= 15)


class _Side:
    """What one side of a gutter looks like: how many rows, letters in each, how much of the width they fill."""

    def __init__(self, items: list[Piece], size: float) -> None:
        middles = sorted([each.y0 + each.y1 for each in items])
        self.rows = 1 + sum([b - a > size for a, b in itertools.pairwise(middles)])
        width = max([each.x1 for each in items]) - min([each.x0 for each in items])
        self.filled = sum([each.x1 - each.x0 for each in items]) / max(width * self.rows, 1e-6)
        self.text = "".join([each.text for each in items])
        self.letters = len(self.text) / self.rows
        self.labels = sum([each.text.endswith(":") for each in items]) / self.rows

    def figures(self) -> float:
        """The share of the letters that are digits."""
        text = self.text
        count = sum(map(text.count, digits)) if text.isascii() else len(DIGIT.findall(text))
        return count / max(len(text), 1)


def _changes(cut: _Cut) -> int:
    """How often the file goes from one side to the other."""
    sides = sorted([(each.order, 0) for each in cut.left] + [(each.order, 1) for each in cut.right])
    return sum(a[1] != b[1] for a, b in itertools.pairwise(sides))
