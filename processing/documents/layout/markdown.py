"""Lines of text made into Markdown: headings by their size, lists, paragraphs, words made whole."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence

from processing.documents.layout.pieces import RIGHT_TO_LEFT, Piece

# PDFium marks a hyphen at a line's end by U+FFFE or STX; a soft hyphen is only ever a place to break.
# Two patterns, of which each begins with what can be searched for quickly.
MARKED_HYPHEN = re.compile(r"[\ufffe\x02\xad]\n{0,2}")
HYPHEN = re.compile(r"-(?<=[^\W\d_]-)\n{1,2}(?=[a-zß-ÿ])")
WITHOUT_MEANING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\uffff]")
CONTROL = bytes({*range(32), 127} - {*b"\t\n"})
BULLET = re.compile(r"[•●○▪■□◦‣⁃∙➢✓]\s*(?=\S)")
ENUMERATED = re.compile(r"(?:\(?\d{1,3}[.)]|\(?[a-z][.)])\s")
HEADING_SIZES = ((1.7, "# "), (1.35, "## "), (1.15, "### "))
LONGEST_HEADING, MOST_LINES, LEAST_LETTERS = 120, 3, 3
PARAGRAPH = 0.45  # Heights of a line between two paragraphs.


def paragraphs(rows: Iterable[Sequence[Piece]], size: float, *, headings: bool = True) -> str:
    """Rows of one column as text, a line each; a wide gap in a row becomes two blanks. `size` is the text's height."""
    lines: list[str] = []
    for group in _groups(rows, size, headings=headings):
        texts = [joined(row) for row in group]
        mark = _heading(texts, group, size) if headings else ""
        if lines:
            lines.append("")
        if mark:
            lines.append(mark + " ".join(texts))
        else:
            lines += [BULLET.sub("- ", text, count=1) if BULLET.match(text) else text for text in texts]
    return "\n".join(lines)


def _groups(rows: Iterable[Sequence[Piece]], size: float, *, headings: bool) -> Iterator[list[Sequence[Piece]]]:
    """The rows by paragraph: a gap wider than that between lines, or text of another size, begins a new one."""
    group: list[Sequence[Piece]] = []
    bottom = height = gap = 0.0
    for row in rows:
        if len(row) == 1:
            top, low = row[0].y0, row[0].y1
        else:
            top, low = min([each.y0 for each in row]), max([each.y1 for each in row])
        tall = _height(row, size) if headings else 0.0
        if group:
            between = top - bottom
            if between > PARAGRAPH * size and between > gap + 0.3 * size:
                apart = True
            else:
                apart = headings and tall != height and _mark(tall, size) != _mark(height, size)
            if apart:
                yield group
                group, gap = [], 0.0
            else:
                gap = between if len(group) == 1 or between < gap else gap
                gap = gap if gap > 0.0 else 0.0
        group.append(row)
        bottom, height = low, tall
    if group:
        yield group


def _height(row: Sequence[Piece], size: float) -> float:
    """The height of most of a row's text; of a tall row the height that three quarters of its letters have: a formula's
    large signs do not make a heading."""
    longest = row[0] if len(row) == 1 else max(row, key=lambda each: len(each.text))
    if longest.height < HEADING_SIZES[-1][0] * size:
        return longest.height
    heights = sorted((word.y1 - word.y0, len(word.text)) for each in row for word in each.words)
    left = sum(count for _, count in heights) / 4
    for height, count in heights:
        left -= count
        if left <= 0:
            return height
    return heights[-1][0]


def joined(row: Sequence[Piece]) -> str:
    """A row, from left to right, as text; from right to left where that is how its ends are written."""
    if len(row) == 1:
        return row[0].text
    leftwards = bool(RIGHT_TO_LEFT.search(row[0].text) and RIGHT_TO_LEFT.search(row[-1].text))
    ordered = row[::-1] if leftwards else row
    text = ordered[0].text
    for one, other in itertools.pairwise(ordered):
        gap = one.x0 - other.x1 if leftwards else other.x0 - one.x1
        low = min(one.height, other.height)
        text += ("  " if gap > low else " " if gap > 0.1 * low else "") + other.text
    return text


def _mark(height: float, size: float) -> str:
    if height < HEADING_SIZES[-1][0] * size:
        return ""
    return next((mark for share, mark in HEADING_SIZES if height >= share * size), "")


def _heading(texts: Sequence[str], group: Sequence[Sequence[Piece]], size: float) -> str:
    """The mark of a heading, for a few words in large letters."""
    if len(texts) > MOST_LINES or sum(map(len, texts)) > LONGEST_HEADING:
        return ""
    if sum(letter.isalpha() for text in texts for letter in text) < LEAST_LETTERS:
        return ""
    return _mark(_height(group[0], size), size)


def tidy(text: str) -> str:
    """Text with hyphenated words made whole, and without characters that mean nothing."""
    if text.isascii():  # The same in a tenth of the time.
        plain = MARKED_HYPHEN.sub("", text) if "\x02" in text else text
        return HYPHEN.sub("", plain).encode().translate(None, CONTROL).decode().strip()
    text = HYPHEN.sub("", MARKED_HYPHEN.sub("", text)).replace("‘‘", "“").replace("’’", "”")
    return WITHOUT_MEANING.sub("", text).strip()
