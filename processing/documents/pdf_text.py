"""A PDF page's text with the places of its words, by PDFium."""

from __future__ import annotations

import array
import ctypes
import functools
import itertools
import re
from collections.abc import Callable, Sequence
from typing import Any

from processing.documents import pdf_accents
from processing.documents.layout.pieces import Word

# U+FFFE and STX stand for a hyphen where a word goes on in the next line, with no other sign of that line. In ASCII the
# second pattern of each finds the same in half the time.
WORD = re.compile(r"[^\s\ufffe\x02]+[\ufffe\x02]?"), re.compile(r"[^\t-\r\x1c-\x20\x02]+\x02?")
LINE = (
    re.compile(r"[^\s\ufffe\x02](?:[^\r\n\ufffe\x02]*[^\s\ufffe\x02])?[\ufffe\x02]?"),
    re.compile(r"[^\t-\r\x1c-\x20\x02](?:[^\r\n\x02]*[^\t-\r\x1c-\x20\x02])?\x02?"),
)
HYPHENS = "\ufffe\x02"
LOOSE, MANY_GAPS = 1.8, 10  # a line by the height of most letters; gaps of a page that is surely broken
INITIAL = 1.8  # how much taller than the letters after it the first one of a text may be
BOX_SIZE = 16  # bytes of PDFium's FS_RECTF

Box = tuple[float, float, float, float]
# A word from its fields, in a third of the time of a call by their names.
_word: Callable[[tuple[str, float, float, float, float, int, int, float, float]], Word]
_word = functools.partial(tuple.__new__, Word)


class PageText:
    """The text of one page, and boxes where they are asked for: each box costs a call, so none is fetched in vain.

    Boxes are in points from the top left corner of the page as it is shown.
    """

    def __init__(self, page: Any) -> None:
        self._page = page
        self._handle = page.get_textpage()
        self.text: str = self._handle.get_text_range()
        self.width, self.height = page.get_size()
        self._cropbox, self._turn = page.get_cropbox(), page.get_rotation()
        self._found: list[Box] | None = None
        self.text = pdf_accents.restored(self.text, self.boxes)

    def close(self) -> None:
        self._handle.close()

    def lines(self) -> list[Word]:
        """The lines as PDFium finds them, each as one word."""
        return self._placed(self._lines)

    def words(self) -> list[Word]:
        """The words, in the file's order."""
        return self._placed(self._spans(WORD))

    @functools.cached_property
    def _lines(self) -> list[tuple[int, int]]:
        return self._spans(LINE)

    def _spans(self, patterns: tuple[re.Pattern[str], re.Pattern[str]]) -> list[tuple[int, int]]:
        found = [match.span() for match in patterns[self.text.isascii()].finditer(self.text)]
        if pdf_accents.NOTHING not in self.text:
            return found
        stripped = [(start, end, self.text[start:end].strip(pdf_accents.NOTHING)) for start, end in found]
        begins = [self.text.index(text, start, end) for start, end, text in stripped]
        return [(begin, begin + len(text)) for begin, (_, _, text) in zip(begins, stripped, strict=True) if text]

    def _placed(self, spans: Sequence[tuple[int, int]]) -> list[Word]:
        flat = self._flat([place for start, end in spans for place in (start, end - 1)])
        text = self.text
        hyphens = any(hyphen in text for hyphen in HYPHENS)
        found: list[Word] = []
        line = 0
        broken = text.find("\n")
        boxes = zip(*[iter(flat)] * 8, strict=True)
        for number, ((start, end), (a0, b0, a1, b1, c0, d0, c1, d1)) in enumerate(zip(spans, boxes, strict=True)):
            if start > broken >= 0:
                line += 1
                broken = text.find("\n", start)
            run = (c0 + c1 - a0 - a1) / 2
            if b0 == d0 and b1 == d1 and a0 <= c0 and a1 <= c1:  # as nearly every word is
                found.append(_word((text[start:end], a0, b0, c1, b1, number, line, run, 0.0)))
            else:
                rise = (d0 + d1 - b0 - b1) / 2
                if (d1 - d0) * INITIAL < b1 - b0 and c0 >= a1:
                    b0, b1, rise = d0, d1, 0.0
                x0, x1 = a0 if a0 < c0 else c0, a1 if a1 > c1 else c1
                y0, y1 = b0 if b0 < d0 else d0, b1 if b1 > d1 else d1
                found.append(_word((text[start:end], x0, y0, x1, y1, number, line, run, rise)))
            if hyphens and text[end - 1] in HYPHENS:
                line += 1
        return found

    def boxes(self, places: Sequence[int]) -> list[Box]:
        """The boxes of the characters at these places of the text: left, top, right, bottom."""
        flat = self._flat(places)
        return list(zip(*[iter(flat)] * 4, strict=True))

    def _flat(self, places: Sequence[int]) -> list[float]:
        """Loose boxes, one after the other: as high as the font's lines, whatever the letter."""
        import pypdfium2.raw as pdfium

        handle = self._handle.raw
        if len(self.text) != self._handle.count_chars():
            places = [pdfium.FPDFText_GetCharIndexFromTextIndex(handle, place) for place in places]
        found = array.array("f", bytes(BOX_SIZE * len(places)))
        fetch, page = _fetcher("FPDFText_GetLooseCharBox", 1), ctypes.cast(handle, ctypes.c_void_p).value
        address, length = found.buffer_info()
        addresses = range(address, address + BOX_SIZE * length, BOX_SIZE)
        for _ in map(fetch, itertools.repeat(page), places, addresses):
            pass
        return self._as_shown(found.tolist())

    def gaps(self, least: float) -> list[tuple[float, float]]:
        """Where a row is broken by a gap of at least so many points, by the boxes of the pieces that PDFium finds: the
        points in the middle of the gaps."""
        return [
            ((a[2] + b[0]) / 2, (b[1] + b[3]) / 2)
            for a, b in itertools.pairwise(self._pieces())
            if (b[0] - a[2] >= least or a[0] - b[2] >= least) and _overlap(a, b)
        ]

    def is_broken(self) -> bool:
        """Whether many rows have gaps as wide as a line is high, so that nothing more need be asked to know that they
        hold cells, or lines of several columns."""
        heights = sorted([box[3] - box[1] for box in self._pieces()])
        return bool(heights) and len(self.gaps(LOOSE * heights[len(heights) // 2])) >= MANY_GAPS

    def _pieces(self) -> list[Box]:
        """The boxes of the pieces that PDFium finds, in the file's order; they fit the letters closely. None where they
        are no more than the lines: then each line is one piece, as on most pages."""
        if self._found is None:
            import pypdfium2.raw as pdfium

            handle = self._handle.raw
            count = pdfium.FPDFText_CountRects(handle, 0, -1)
            if count <= len(self._lines):
                self._found = []
                return self._found
            found = (ctypes.c_double * (4 * count))()
            fetch, page = _fetcher("FPDFText_GetRect", 4), ctypes.cast(handle, ctypes.c_void_p).value
            first = ctypes.addressof(found)
            for number in range(count):
                place = first + 32 * number
                fetch(page, number, place, place + 8, place + 16, place + 24)
            values: list[float] = memoryview(found).cast("B").cast("d").tolist()  # type: ignore[assignment]
            self._found = list(zip(*[iter(self._as_shown(values))] * 4, strict=True))
        return self._found

    def _as_shown(self, flat: list[float]) -> list[float]:
        """Boxes of the page's own space (left, top, right, bottom, upwards) in that of the page as it is shown."""
        left, bottom, right, top = self._cropbox
        if self._turn == 0:  # nearly every page
            flat[1::2] = [top - y for y in flat[1::2]]
            if left:
                flat[::2] = [x - left for x in flat[::2]]
            return flat
        x0, y1, x1, y0 = flat[::4], flat[1::4], flat[2::4], flat[3::4]
        if self._turn == 90:
            columns = [y - bottom for y in y0], [x - left for x in x0], [y - bottom for y in y1], [x - left for x in x1]
        elif self._turn == 180:
            y0, y1 = [y - bottom for y in y0], [y - bottom for y in y1]
            columns = [right - x for x in x1], y0, [right - x for x in x0], y1
        else:
            columns = [top - y for y in y1], [right - x for x in x1], [top - y for y in y0], [right - x for x in x0]
        flat[::4], flat[1::4], flat[2::4], flat[3::4] = columns
        return flat


def _overlap(a: Box, b: Box) -> bool:
    """Whether two boxes stand side by side."""
    return min(a[3], b[3]) - max(a[1], b[1]) > 0.5 * min(a[3] - a[1], b[3] - b[1])


@functools.cache
def _fetcher(name: str, addresses: int) -> Callable[..., int]:
    """PDFium's function of that name, which writes to so many addresses, called without giving the interpreter away: a
    page takes thousands of these calls, and each costs little more than half of one by pypdfium2's own declaration."""
    import pypdfium2.raw as pdfium

    declared = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, *[ctypes.c_void_p] * addresses)
    return declared(ctypes.cast(getattr(pdfium, name), ctypes.c_void_p).value or 0)
