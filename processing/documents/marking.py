"""Where a passage stands on a page, and a picture of the page with it marked."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from processing.documents.contract import Rectangle

if TYPE_CHECKING:
    from PIL import Image

    from processing.documents.ocr import Line

FILL, EDGE = (255, 236, 130), (214, 120, 0)
PARTS = re.compile(r"\n|\||\s{2,}")
MOST_RECTANGLES = 200
LONG_ENOUGH = 8  # letters of a passage that may begin or end within a word
Box = tuple[float, float, float, float]


class Written(Protocol):
    """Text with the places of its characters, in points or pixels from the top left corner."""

    text: str
    width: float
    height: float

    def boxes(self, places: Sequence[int]) -> list[Box]: ...


class Recognised:
    """Recognised lines as text whose characters stand where they must about be."""

    def __init__(self, lines: Sequence[Line], width: float, height: float) -> None:
        self.width, self.height = width, height
        self.text = "\n".join(line.text for line in lines)
        self._places = [(line, place) for line in lines for place in range(len(line.text) + 1)]

    def boxes(self, places: Sequence[int]) -> list[Box]:
        return [self._box(*self._places[place]) for place in places]

    @staticmethod
    def _box(line: Line, place: int) -> Box:
        left, top = line.x - line.width / 2, line.y - line.height / 2
        letter = line.width / max(len(line.text), 1)
        return left + place * letter, top, left + (place + 1) * letter, top + line.height


def rectangles(passage: str, page: Written) -> list[Rectangle]:
    """The rectangles around a passage, one for each line; none where it is not on the page.

    Letters and figures are compared alone, so that blanks, hyphens and Markdown make no difference. A passage that the
    page does not have in one piece, as a row of a table may be, is looked for part by part.
    """
    letters, places = _letters(page.text)
    whole = next(iter(_found(passage, letters, places, page)), None)
    if whole is not None:
        return _around(page.boxes(whole), page)
    boxes: list[Box] = []
    for part in sorted(PARTS.split(passage), key=len, reverse=True):
        choices = [page.boxes(each) for each in _found(part, letters, places, page)]
        if choices:
            beside = boxes[0][1] if boxes else choices[0][0][1]
            boxes += choices[min(range(len(choices)), key=lambda each: abs(choices[each][0][1] - beside))]
    return _around(boxes, page)


def _letters(text: str) -> tuple[str, list[int]]:
    """The letters and figures of a text, and where each stands in it."""
    places = [place for place, letter in enumerate(text) if letter.isalnum()]
    return "".join(text[place].lower()[0] for place in places), places


def _found(passage: str, letters: str, places: list[int], page: Written) -> Iterator[list[int]]:
    """The places of the characters of each occurrence; those of whole words if there are any."""
    wanted, _ = _letters(passage)
    if not wanted:
        return
    within: list[list[int]] = []
    start = letters.find(wanted)
    any_whole = False
    while start >= 0:
        found = places[start : start + len(wanted)]
        if _is_whole(found[0], found[-1], page.text):
            any_whole = True
            yield found
        else:
            within.append(found)
        start = letters.find(wanted, start + 1)
    if not any_whole and len(wanted) >= LONG_ENOUGH:
        yield from within


def _is_whole(first: int, last: int, text: str) -> bool:
    before, after = text[first - 1 : first], text[last + 1 : last + 2]
    return not before.isalnum() and not after.isalnum()


def _around(boxes: Sequence[Box], page: Written) -> list[Rectangle]:
    """A rectangle around what stands on one line, in shares of the page."""
    if _runs_down(boxes):
        lines = [(x0, y0, x1, y1) for y0, x0, y1, x1 in _lines([(y0, x0, y1, x1) for x0, y0, x1, y1 in boxes])]
    else:
        lines = _lines(boxes)
    found = []
    for left, top, right, bottom in lines[:MOST_RECTANGLES]:
        shares = (left / page.width, top / page.height, right / page.width, bottom / page.height)
        within = [round(min(max(share, 0.0), 1.0), 5) for share in shares]
        if within[0] < within[2] and within[1] < within[3]:
            found.append((within[0], within[1], within[2], within[3]))
    return found


def _runs_down(boxes: Sequence[Box]) -> bool:
    """Whether most characters stand above or below the one before."""
    steps = [(abs(b[0] - a[0]), abs(b[1] - a[1])) for a, b in itertools.pairwise(boxes)]
    return sum(down > across for across, down in steps) * 2 > len(steps)


def _lines(boxes: Sequence[Box]) -> list[Box]:
    lines: list[Box] = []
    for x0, y0, x1, y1 in boxes:
        height = y1 - y0
        if lines:
            left, top, right, bottom = lines[-1]
            apart = max(x0 - right, left - x1)
            if min(bottom, y1) - max(top, y0) > 0.5 * height and apart < 3 * height:
                lines[-1] = min(left, x0), min(top, y0), max(right, x1), max(bottom, y1)
                continue
        lines.append((x0, y0, x1, y1))
    return lines


def marked(image: Image.Image, marks: Sequence[Rectangle]) -> bytes:
    """The RGB picture as a PNG, with the rectangles marked as by a felt pen: what is dark under them stays dark."""
    from PIL import Image, ImageChops, ImageDraw

    edge = max(1, max(image.size) // 600)
    over = Image.new("RGB", image.size, "white")
    boxes = [
        (
            left * image.width - edge,
            top * image.height - edge,
            right * image.width + edge,
            bottom * image.height + edge,
        )
        for left, top, right, bottom in marks
    ]
    for box in boxes:
        ImageDraw.Draw(over).rectangle(box, fill=FILL)
    shown = ImageChops.multiply(image, over)
    for box in boxes:
        ImageDraw.Draw(shown).rectangle(box, outline=EDGE, width=edge)
    buffer = io.BytesIO()
    shown.save(buffer, "PNG")
    return buffer.getvalue()
