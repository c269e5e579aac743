"""A PDF page's text with the places of its words, by PDFium."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from processing.documents import pdf_accents
from processing.documents.layout.pieces import Word

# U+FFFE and STX stand for a hyphen where a word goes on in the next line, with no other sign of that line.
WORD = re.compile(r"[^\s\ufffe\x02]+[\ufffe\x02]?")
LINE = re.compile(r"[^\s\ufffe\x02](?:[^\r\n\ufffe\x02]*[^\s\ufffe\x02])?[\ufffe\x02]?")
INITIAL = 1.8  # how much taller than the letters after it the first one of a text may be


class PageText:
    """The text of one page, and boxes where they are asked for: each box costs a call, so none is fetched in vain.

    Boxes are in points from the top left corner of the page as it is shown.
    """

    def __init__(self, page: Any) -> None:
        self._page = page
        self._handle = page.get_textpage()
        self.text: str = self._handle.get_text_range()
        self.width, self.height = page.get_size()
        self.text = pdf_accents.restored(self.text, lambda places: list(self._boxes(places)))

    def close(self) -> None:
        self._handle.close()

    def lines(self) -> list[Word]:
        """The lines as PDFium finds them, each as one word."""
        return self._placed(self._spans(LINE))

    def words(self) -> list[Word]:
        """The words, in the file's order."""
        return self._placed(self._spans(WORD))

    def _spans(self, pattern: re.Pattern[str]) -> list[tuple[int, int]]:
        found = [match.span() for match in pattern.finditer(self.text)]
        if pdf_accents.NOTHING not in self.text:
            return found
        stripped = [(start, end, self.text[start:end].strip(pdf_accents.NOTHING)) for start, end in found]
        begins = [self.text.index(text, start, end) for start, end, text in stripped]
        return [(begin, begin + len(text)) for begin, (_, _, text) in zip(begins, stripped, strict=True) if text]

    def _placed(self, spans: Sequence[tuple[int, int]]) -> list[Word]:
        boxes = self._boxes([place for start, end in spans for place in (start, end - 1)])
        text = self.text
        found: list[Word] = []
        line = 0
        last = 0
        for order, ((start, end), (a0, b0, a1, b1), (c0, d0, c1, d1)) in enumerate(
            zip(spans, boxes, boxes, strict=True)
        ):
            if text.find("\n", last, start) >= 0:
                line += 1
            last = end
            if text[end - 1] in "\ufffe\x02":
                line += 1
            if d1 - d0 < (b1 - b0) / INITIAL and end - start > 1:
                b0, b1 = d0, d1
            found.append(
                Word(
                    text[start:end],
                    a0 if a0 < c0 else c0,
                    b0 if b0 < d0 else d0,
                    a1 if a1 > c1 else c1,
                    b1 if b1 > d1 else d1,
                    order,
                    line,
                    (c0 + c1 - a0 - a1) / 2,
                    (d0 + d1 - b0 - b1) / 2,
                )
            )
        return found

    def _boxes(self, places: Sequence[int]) -> Iterator[tuple[float, float, float, float]]:
        """The loose boxes of characters, as they are needed: left, top, right, bottom."""
        import pypdfium2.raw as pdfium

        fetch, handle = pdfium.FPDFText_GetLooseCharBox, self._handle.raw
        if len(self.text) != self._handle.count_chars():
            places = [pdfium.FPDFText_GetCharIndexFromTextIndex(handle, place) for place in places]
        boxes = (pdfium.FS_RECTF * len(places))()
        for box, place in zip(boxes, places, strict=True):
            fetch(handle, place, box)
        flat = memoryview(boxes).cast("B").cast("f").tolist()
        return self._as_shown(flat)

    def _as_shown(self, flat: list[float]) -> Iterator[tuple[float, float, float, float]]:
        left, bottom, right, top = self._page.get_cropbox()
        fours = zip(*[iter(flat)] * 4, strict=True)
        turn = self._page.get_rotation()
        if turn == 90:
            return ((y1 - bottom, x0 - left, y0 - bottom, x1 - left) for x0, y0, x1, y1 in fours)
        if turn == 180:
            return ((right - x1, y1 - bottom, right - x0, y0 - bottom) for x0, y0, x1, y1 in fours)
        if turn == 270:
            return ((top - y0, right - x1, top - y1, right - x0) for x0, y0, x1, y1 in fours)
        return ((x0 - left, top - y0, x1 - left, top - y1) for x0, y0, x1, y1 in fours)
