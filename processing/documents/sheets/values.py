"""The value of a cell as a person sees it."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass

from processing.documents import markdown

# Excel's formats without a code of their own (ECMA-376 part 1, 18.8.30), as far as they say more than "a number".
BUILT_IN = {9: "0%", 10: "0.00%", 2: "0.00", 4: "#,##0.00", 39: "#,##0.00", 40: "#,##0.00", 44: "#,##0.00"}
NOT_SHOWN = re.compile(r'"[^"]*"|\[[^\]]*\]|\\.|_.|\*.')
DECIMALS = re.compile(r"[0#?]\.(0+)")
DIGITS = 15
MAX_DECIMALS = 15


@dataclass(frozen=True, slots=True)
class Shape:
    """How a number is shown: as percent or not, with so many decimals at least."""

    percent: bool = False
    decimals: int = 0


PLAIN = Shape()


def shape_of(code: str) -> Shape:
    """What a number format says of a positive number."""
    positive = NOT_SHOWN.sub("", code.split(";", 1)[0])
    decimals = DECIMALS.search(positive)
    return Shape("%" in positive, min(len(decimals[1]), MAX_DECIMALS) if decimals else 0)


def shown(value: object, shape: Shape = PLAIN) -> str:
    """One line: no digit that is in the cell is lost, and none is added but zeros that the cell's format shows."""
    if isinstance(value, str):
        return markdown.flat(value)
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, (int, float)):
        return _number(value, shape)
    if isinstance(value, datetime.datetime):
        if value.time() == datetime.time():
            return value.date().isoformat()
        return value.replace(microsecond=0).isoformat(" ").removesuffix(":00")
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return _duration(value)
    return "" if value is None else markdown.flat(str(value))


def _number(value: float, shape: Shape) -> str:
    text = f"{value * (100 if shape.percent else 1):.{DIGITS}g}"
    if "e" not in text and "n" not in text:  # neither an exponent nor infinity
        whole, _, decimals = text.partition(".")
        decimals = decimals.ljust(shape.decimals, "0")
        text = f"{whole}.{decimals}" if decimals else whole
    return text + ("%" if shape.percent else "")


def _duration(value: datetime.timedelta) -> str:
    seconds = round(abs(value).total_seconds())
    sign = "-" if value < datetime.timedelta() else ""
    return f"{sign}{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
