"""What stands on a page without belonging to its text: running heads and feet, page numbers, notes in the margin.

Only geometry tells: what stands alone at the very top or bottom, is no larger than the text, and is short.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from processing.documents.layout.pieces import Piece

TOP, BOTTOM = 0.09, 0.92  # Where heads end and feet begin, in heights of the page.
EDGE = 0.14  # Within this share of the height a row of its own with a page number in it is a head or a foot.
SIDE = 0.1  # Text across the page is a stamp within this share of the width.
APART = 0.75  # Heights of a line between a head or foot and the text.
LARGER = 1.3
SMALL, SMALL_APART = 0.75, 2.0
LONGEST = 160
MOST_ROWS = 2
MOST_CLUSTERS = 3
PAGE_NUMBER = re.compile(
    r"[\W_]*(?:(?:page|seite|pagina|página|s|p|pg)?[\W_]*\d{1,4}(?:\s?(?:of|von|de|sur|van|di|/)\s?\d{1,4})?"
    r"|[ivxl]{1,7})[\W_]*",
    re.IGNORECASE,
)

Row = Sequence[Piece]


def body(rows: list[list[Piece]], height: float) -> list[list[Piece]]:
    """The rows without heads and feet; all of them where nothing else would be left."""
    if len(rows) < 2:
        return rows
    size = _usual_height(rows)
    rest = [row for row in rows if 0 < row[0].middle < height] or rows
    first = _peeled(rest, size, height, from_top=True)
    last = _peeled(rest[::-1], size, height, from_top=False)
    return rest[first : len(rest) - last] or rows


def _usual_height(rows: Sequence[Row]) -> float:
    """The height of a line of most of the text."""
    heights: dict[float, int] = {}
    for row in rows:
        for each in row:
            rounded = round(each.height, 1)
            heights[rounded] = heights.get(rounded, 0) + len(each.text)
    return max(heights, key=heights.__getitem__, default=1.0) or 1.0


def _peeled(rows: Sequence[Row], size: float, height: float, *, from_top: bool) -> int:
    """How many of the outermost rows, which come first, are no part of the text."""
    gone = 0
    for _ in range(MOST_CLUSTERS):
        if gone >= len(rows) - 1:
            return gone
        count = _cluster(rows[gone:], size, height, from_top=from_top)
        if count == 0:
            return gone
        gone += count
    return gone


def _cluster(rows: Sequence[Row], size: float, height: float, *, from_top: bool) -> int:
    if _is_numbered(rows[0], rows[1], size, height, from_top=from_top):
        return 1
    for count in range(1, min(MOST_ROWS, len(rows) - 1) + 1):
        gap = _gap(rows[count - 1], rows[count], from_top=from_top)
        if count == 1 and gap >= SMALL_APART * size and _is_small(rows[0], size, height, from_top=from_top):
            return 1
        if gap >= APART * size:
            edge = _edge(rows[:count], height, from_top=from_top)
            return count if all(_is_marginal(row, size, edge) for row in rows[:count]) else 0
    return 0


def _edge(rows: Sequence[Row], height: float, *, from_top: bool) -> tuple[float, float]:
    """Between which heights rows are marginal; those with a page number of their own may reach further inwards."""
    numbered = len(rows) > 1 and any(_is_number(row) for row in rows)
    if from_top:
        return 0.0, (EDGE if numbered else TOP) * height
    return (1 - EDGE if numbered else BOTTOM) * height, float("inf")


def _is_number(row: Row) -> bool:
    return len(row) < 3 and all(PAGE_NUMBER.fullmatch(each.text) for each in row)


def _is_marginal(row: Row, size: float, edge: tuple[float, float]) -> bool:
    if sum(len(each.text) for each in row) > LONGEST or max(each.height for each in row) > LARGER * size:
        return False
    return min(each.y0 for each in row) > edge[0] and max(each.y1 for each in row) < edge[1]


def _is_small(row: Row, size: float, height: float, *, from_top: bool) -> bool:
    """Whether a row near the edge is in much smaller letters than the text."""
    near = row[-1].y1 < EDGE * height if from_top else row[0].y0 > (1 - EDGE) * height
    return near and max(each.height for each in row) < SMALL * size and sum(len(each.text) for each in row) < LONGEST


def _is_numbered(row: Row, neighbour: Row, size: float, height: float, *, from_top: bool) -> bool:
    """Whether a row is a page number, or has one at an end of it."""
    if max(each.height for each in row) > 2 * LARGER * size or sum(len(each.text) for each in row) > LONGEST:
        return False
    at_edge = row[0].y1 < EDGE * height if from_top else row[-1].y0 > (1 - EDGE) * height
    apart = _gap(row, neighbour, from_top=from_top) >= APART * size
    if _is_number(row):
        return at_edge or (apart and not from_top and len(row) == 1)
    if not at_edge or len(row) < 2 or _is_tabular(neighbour):
        return False
    numbered = PAGE_NUMBER.fullmatch(row[0].text) or PAGE_NUMBER.fullmatch(row[-1].text)
    return bool(numbered) or (len(row) == 3 and _is_spread(row, neighbour))


def _is_tabular(row: Row) -> bool:
    """Whether a row looks like one of a table: its cells are short."""
    return len(row) > 1 and sum(len(each.text) for each in row) < 25 * len(row)


def _is_spread(row: Row, neighbour: Row) -> bool:
    """Whether three texts stand left, in the middle and right, as wide as the text beside them."""
    left, right = min(each.x0 for each in neighbour), max(each.x1 for each in neighbour)
    tolerance = 0.03 * (right - left)
    sides = abs(row[0].x0 - left) < tolerance and abs(row[2].x1 - right) < tolerance
    return sides and abs(row[1].centre - (left + right) / 2) < 3 * tolerance


def _gap(row: Row, neighbour: Row, *, from_top: bool) -> float:
    if from_top:
        return min(each.y0 for each in neighbour) - max(each.y1 for each in row)
    return min(each.y0 for each in row) - max(each.y1 for each in neighbour)


def is_stamp(aside: Piece, text: Sequence[Piece], width: float) -> bool:
    """Whether text across the page stands beside all of the text that runs along it, or at the page's edge."""
    if aside.x1 < SIDE * width or aside.x0 > (1 - SIDE) * width:
        return True
    left = min((each.x0 for each in text), default=0.0)
    right = max((each.x1 for each in text), default=width)
    return aside.x1 < left or aside.x0 > right
