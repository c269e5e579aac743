"""What a reader of values leaves out of a sheet, and how large the rectangle of its cells is before it is allocated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from processing.documents.containers import too_complex
from processing.documents.limits import Limits
from processing.documents.sheets.values import Shape


@dataclass(slots=True)
class Extent:
    """The rectangle around all cells that hold something, growing; rows and columns count from 0."""

    top: int = -1
    left: int = -1
    bottom: int = -1
    right: int = -1

    def take_in(self, row: int, column: int, rows: int = 1, columns: int = 1) -> None:
        self.top = row if self.top < 0 else min(self.top, row)
        self.left = column if self.left < 0 else min(self.left, column)
        self.bottom = max(self.bottom, row + rows - 1)
        self.right = max(self.right, column + columns - 1)

    @property
    def places(self) -> int:
        return 0 if self.top < 0 else (self.bottom - self.top + 1) * (self.right - self.left + 1)

    def refuse_too_large(self, limits: Limits) -> None:
        """Raises `UnreadableDocument`."""
        refuse_too_many(self.places, limits)


def refuse_too_many(places: int, limits: Limits) -> None:
    """Raises `UnreadableDocument`."""
    if places > limits.cells:
        raise too_complex(f"A sheet spans {places} cells; the limit is {limits.cells}.")


@dataclass(slots=True)
class Details:
    """Of one sheet: how its numbers are shown where that is not plain, its comments, and the way it is shown itself."""

    extent: Extent = field(default_factory=Extent)
    shapes: dict[tuple[int, int], Shape] = field(default_factory=dict)
    comments: list[str] = field(default_factory=list)


def column_name(column: int) -> str:
    """`A` for 0, `AA` for 26."""
    return "".join(reversed(list(_letters(column))))


def _letters(column: int) -> Iterator[str]:
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        yield chr(ord("A") + rest)
