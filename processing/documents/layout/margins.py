"""What stands on a page without belonging to its text: running heads and feet, page numbers, notes in the margin.

Only geometry tells: what stands alone at the very top or bottom, is no larger than the text, and is short.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from processing.documents.layout.pieces import Piece, rows

TOP, BOTTOM = 0.09, 0.92  # Where heads end and feet begin, in heights of the page.
EDGE = 0.14  # Within this share of the height a row of its own with a page number in it is a head or a foot.
SIDE = 0.1  # Text across the page is a stamp within this share of the width.
APART = 0.75  # Heights of a line between a head or foot and the text.
LARGER = 1.3
SMALL, SMALL_APART = 0.75, 2.0
LONGEST = 160
REACH = 14
MOST_ROWS = 2
MOST_CLUSTERS = 3
PAGE_NUMBER = re.compile(
    r"[\W_]*(?:(?:page|seite|pagina|página|s|p|pg)?[\W_]*\d{1,4}(?:\s?(?:of|von|de|sur|van|di|/)\s?\d{1,4})?"
    r"|[ivxl]{1,7})[\W_]*",
    re.IGNORECASE,
)

Row = Sequence[Piece]


def without(items: Sequence[Piece], size: float, height: float, reach: int = REACH) -> list[Piece]:
    """The pieces without heads and feet, in the same order; all of them where nothing else would be left.

    `size` is the height of a line of the text, `height` that of the page; `reach` pieces are looked at from the top and
    from the bottom.
    """
    inside = sorted([each for each in items if 0 < each.y0 + each.y1 < 2 * height], key=lambda each: each.y0 + each.y1)
    if len(inside) < 2:
        return inside or list(items)
    if len(inside) <= 2 * reach:
        first = last = rows(inside)
    else:
        first, last = rows(inside[:reach])[:-1], rows(inside[-reach:])[1:]
    top = first[: _peeled(first, size, height, from_top=True)]
    bottom = last[::-1][: _peeled(last[::-1], size, height, from_top=False)]
    gone = {id(each) for row in (*top, *bottom) for each in row}
    if not gone and len(inside) == len(items):
        return list(items)
    return [each for each in items if 0 < each.y0 + each.y1 < 2 * height and id(each) not in gone] or list(items)


def _peeled(outer: Sequence[Row], size: float, height: float, *, from_top: bool) -> int:
    """How many of the outermost rows, which come first, are no part of the text."""
    gone = 0
    for _ in range(MOST_CLUSTERS):
        if gone >= len(outer) - 1:
            return gone
        count = _cluster(outer[gone:], size, height, from_top=from_top)
        if count == 0:
            return gone
        gone += count
    return gone


def _cluster(outer: Sequence[Row], size: float, height: float, *, from_top: bool) -> int:
    if _is_numbered(outer[0], outer[1], size, height, from_top=from_top):
        return 1
    for count in range(1, min(MOST_ROWS, len(outer) - 1) + 1):
        gap = _gap(outer[count - 1], outer[count], from_top=from_top)
        if count == 1 and gap >= SMALL_APART * size and _is_small(outer[0], size, height, from_top=from_top):
            return 1
        if gap >= APART * size:
            edge = _edge(outer[:count], height, from_top=from_top)
            return count if all(_is_marginal(row, size, edge) for row in outer[:count]) else 0
    return 0


def _edge(outer: Sequence[Row], height: float, *, from_top: bool) -> tuple[float, float]:
    """Between which heights rows are marginal; those with a page number of their own may reach further inwards."""
    numbered = len(outer) > 1 and any(_is_number(row) for row in outer)
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


def without_stamps(aside: Sequence[Piece], text: Sequence[Piece], width: float) -> list[Piece]:
    """The pieces across the page but for those at its edge, or beside all of the text that runs along it."""
    left = max(min((each.x0 for each in text), default=0.0), SIDE * width)
    right = min(max((each.x1 for each in text), default=width), (1 - SIDE) * width)
    return [each for each in aside if each.x1 >= left and each.x0 <= right]
