"""Accents that a file draws as signs of their own, as TeX's older fonts have it, put back on their letters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence

COMBINING = dict(
    zip(
        "´`ˆ˜¨ˇ˘¯˙˚˝¸˛",
        "\u0301\u0300\u0302\u0303\u0308\u030c\u0306\u0304\u0307\u030a\u030b\u0327\u0328",
        strict=True,
    )
)
LOOSE = re.compile(f"[{''.join(COMBINING)}]")
DOTTED = {"ı": "i", "ȷ": "j"}
NOTHING = "\x00"  # keeps the place of a character that is gone, so that places still agree with the file's
NEAR = 160  # characters: the sign may come as late as at the end of the line
MOST_SIGNS, LONGEST_PAGE = 400, 50_000
NO_GAP = 0.15  # heights of a line

Box = tuple[float, float, float, float]


def restored(text: str, boxes: Callable[[Sequence[int]], list[Box]]) -> str:
    """The text with its accents on their letters, as long as before. `boxes` gives the boxes (left, top, right,
    bottom) of the characters at some places; it is not asked where there is nothing to do."""
    if text.isascii() and "`" not in text:
        return text
    signs = [match.start() for match in LOOSE.finditer(text)][:MOST_SIGNS]
    if not signs or len(text) > LONGEST_PAGE:
        return text
    near = sorted({place for sign in signs for place in range(max(0, sign - NEAR), min(len(text), sign + NEAR))})
    at = dict(zip(near, boxes(near), strict=True))
    letters = list(text)
    for sign in signs:
        _restore(letters, sign, at)
    return "".join(letters)


def _restore(letters: list[str], sign: int, at: dict[int, Box]) -> None:
    left, top, right, bottom = at[sign]
    middle, height = (left + right) / 2, bottom - top
    best: tuple[float, int, str] | None = None
    for place in range(max(0, sign - NEAR), min(len(letters), sign + NEAR)):
        x0, y0, x1, y1 = at[place]
        if not x0 <= middle <= x1 or min(y1, bottom) - max(y0, top) < 0.3 * height:
            continue
        letter = DOTTED.get(letters[place], letters[place])
        whole = unicodedata.normalize("NFC", letter + COMBINING[letters[sign]]) if letter.isalpha() else ""
        if len(whole) == 1 and (best is None or abs(x0 + x1 - 2 * middle) < best[0]):
            best = (abs(x0 + x1 - 2 * middle), place, whole)
    if best is None:
        return
    letters[best[1]] = best[2]
    letters[sign] = NOTHING
    _close_gap(letters, sign, at)


def _close_gap(letters: list[str], sign: int, at: dict[int, Box]) -> None:
    """Take away the blanks around a sign that is gone, unless the letters left and right of it stand apart."""
    before = after = sign
    while before > 0 and letters[before] in (NOTHING, " "):
        before -= 1
    while after < len(letters) - 1 and letters[after] in (NOTHING, " "):
        after += 1
    if before not in at or after not in at or letters[after] in "\r\n" or letters[before] in "\r\n":
        return
    height = at[before][3] - at[before][1]
    apart = abs(at[after][0] - at[before][2]) >= NO_GAP * height
    for place in range(before + 1, after):
        letters[place] = " " if apart and place == before + 1 else NOTHING
