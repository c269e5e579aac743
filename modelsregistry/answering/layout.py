"""The document as the search reads it: lines with their table cells, and units (sentences, rows, items) in order."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from modelsregistry.contract import SourcePage

from .words import fold


@dataclass(frozen=True, slots=True)
class Line:
    """One written line: `page.text[start:end]`; `cells` are the spans of a table row's cells within `text`."""

    page: SourcePage
    start: int
    end: int
    text: str
    folded: str = field(repr=False)
    cells: tuple[tuple[int, int], ...] = ()


class Kind(StrEnum):
    """What a unit looks like on the page."""

    HEADING = "heading"
    SENTENCE = "sentence"
    ITEM = "item"
    ROW = "row"


@dataclass(frozen=True, slots=True)
class Unit:
    """The least that can be an answer: `page.text[start:end]`, under `heading` (an index into the list of units)."""

    page: SourcePage
    start: int
    end: int
    kind: Kind
    heading: int | None = None

    @property
    def text(self) -> str:
        return self.page.text[self.start : self.end]


def squeeze(text: str) -> str:
    """`text` on one line, with single spaces."""
    return " ".join(text.split())


LONGEST = 1000
"""Characters of a line or a unit at most."""
_LINE = re.compile(r"[^\n\r\f\v\u2028\u2029]+")
_RULE = re.compile(r"[\s|:=+*_~-]+$")
_PIPE_CELL = re.compile(r"(?<=\|)[^|]*(?=\|)")


def lines_of(page: SourcePage) -> Iterator[Line]:
    """The lines of a page that hold something, without the rules of Markdown tables."""
    for match in _LINE.finditer(page.text):
        for start, end in _pieces(page.text, match.start(), match.end()):
            text = page.text[start:end]
            if text.strip() and not _RULE.match(text):
                yield Line(page, start, end, text, fold(text), tuple(_cells(text)))


def _pieces(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """`text[start:end]` in spans of at most `LONGEST`, cut at blanks, so that no pattern meets an endless line."""
    while end - start > LONGEST:
        cut = text.rfind(" ", start + 1, start + LONGEST)
        cut = cut if cut > start else start + LONGEST
        yield start, cut
        start = cut
    yield start, end


def _cells(text: str) -> Iterator[tuple[int, int]]:
    if text.lstrip().startswith("|") and text.rstrip().endswith("|"):
        for match in _PIPE_CELL.finditer(text):
            yield match.span()


_HEADING_MARK = re.compile(
    r"\s*(?:#{1,6}\s|(?:Chapter|Section|Appendix|Annex|Kapitel|Chapitre)\s+[\dA-Z]+\b[.:]?\s+\S+)"
)
_ITEM_MARK = re.compile(r"\s*(?:[-*•◦▪●–·□☐☑■\ue000-\uf8ff]\s|\(?(?:\d{1,2}|[a-zA-Z])[.)]\s)")
_ENDS = re.compile(r"[.!?…。！？:;]['\"”»)\]*_]*\s*$")
_GAP = re.compile(r"\S(?:\t+| {2,})\S")
_LONG = 45


def units_of(pages: Sequence[SourcePage]) -> list[Unit]:
    """The document cut into units in reading order; every unit knows the heading that it stands under."""
    units: list[Unit] = []
    heading: int | None = None
    running = _running_lines(pages)
    for page in pages:
        lines = [line for line in lines_of(page) if _without_number(line) not in running]
        for kind, start, end in _blocks(lines, page):
            if kind is Kind.HEADING:
                heading = len(units)
                units.append(Unit(page, start, end, kind))
                continue
            for left, right in sentence_spans(page.text, start, end) if kind is not Kind.ROW else [(start, end)]:
                units.append(Unit(page, left, right, kind, heading))
    return units


def _running_lines(pages: Sequence[SourcePage]) -> frozenset[str]:
    """Heads and feet: what the first or last two lines of a third of the pages, and of three at least, have alike."""
    seen: Counter[str] = Counter()
    for page in pages:
        lines = list(lines_of(page))
        seen.update({_without_number(line) for line in (*lines[:2], *lines[-2:])})
    least = max(3.0, len(pages) / 3)
    return frozenset(text for text, count in seen.items() if count >= least)


_PAGE_NUMBER = re.compile(
    r"^\W*\d{1,4}\s+|\s+\d{1,4}\W*$|^\W*\d{1,4}\W*$|\b(?:page|seite|pagina|p\.)\s*\d+(?:\W+(?:of|von|sur|van|de)?\s*\d+)?"
)


def _without_number(line: Line) -> str:
    return _PAGE_NUMBER.sub("", line.folded).strip()


def _blocks(lines: Sequence[Line], page: SourcePage) -> Iterator[tuple[Kind, int, int]]:
    """Lines joined to paragraphs where one plainly runs on into the next."""
    position = 0
    while position < len(lines):
        line = lines[position]
        kind = _kind(line)
        last = position
        if kind in (Kind.SENTENCE, Kind.ITEM):
            while last + 1 < len(lines) and _runs_on(lines[last], lines[last + 1], page.text):
                last += 1
        if kind is Kind.SENTENCE and last == position and _is_title(lines, position):
            kind = Kind.HEADING
        yield kind, line.start, lines[last].end
        position = last + 1


def _kind(line: Line) -> Kind:
    if line.cells or _GAP.search(line.text.strip()):
        return Kind.ROW
    if _HEADING_MARK.match(line.text):
        return Kind.HEADING
    if _ITEM_MARK.match(line.text):
        return Kind.ITEM
    return Kind.SENTENCE


def _runs_on(line: Line, following: Line, text: str) -> bool:
    between = text[line.end : following.start]
    if _is_figures(line) or _is_figures(following):
        return False
    if between.count("\n") > 1 or _kind(following) is not Kind.SENTENCE or _HEADING_MARK.match(line.text):
        return False
    begins = following.text.lstrip()[:1]
    if begins.islower():
        return not line.text.rstrip().endswith(".") or len(line.text) > _LONG
    return len(line.text.strip()) > _LONG and (len(line.text) > 2 * _LONG or not _ENDS.search(line.text))


def _is_figures(line: Line) -> bool:
    """A row of a table that has lost its columns: it ends in a sum, or a good part of it is digits."""
    return len(_DIGIT.findall(line.text)) > len(line.text) * 0.2 or bool(_ENDS_IN_SUM.search(line.text))


_DIGIT = re.compile(r"\d")
_ENDS_IN_SUM = re.compile(r"\d[.,]\d{2}\s?[^\W\d_]{0,3}\W*$")
_LABELLED = re.compile(r"[^:]{1,40}:\s*\S")


def _is_title(lines: Sequence[Line], position: int) -> bool:
    """A short line without a full stop above something longer: what a heading looks like without its markup."""
    text = lines[position].text.strip().strip("*_")
    if len(text) > 80 or len(text.split()) > 10 or not text[:1].isalnum() or _ENDS.search(text) or "," in text[-1:]:
        return False
    if _LABELLED.match(text) or sum(character.isdigit() for character in text) > len(text) // 3:
        return False
    following = lines[position + 1].text.strip() if position + 1 < len(lines) else ""
    return len(following) > max(_LONG, len(text)) or bool(_ITEM_MARK.match(following))


_ABBREVIATIONS: frozenset[str] = frozenset(
    re.findall(
        r"\w+",
        """mr mrs ms dr prof st no nos nr inc ltd co corp vs etc eg ie cf al fig figs eq sec vol pp p ca bzw usw ggf
    inkl exkl art abs tel fax approx dept est jan feb mar apr jun jul aug sep sept oct nov dec mme m mlle av bd z b d
    h u a e g i bv nv sdn bhd pvt rs ref ed eds rev gen sen rep gov capt lt col mt jr sr num ph""",
    )
)
_STOP = re.compile(r"[.!?…]{1,6}['\"”»)\]*_]{0,4}\s+(?=['\"“«(\[*_]{0,4}[^\W_a-z])|[。！？]\s*|\n[ \t]{0,20}\n")
_LAST_WORD = re.compile(r"(\w+)$")


def sentence_spans(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The sentences of `text[start:end]` as spans without surrounding blanks; linear in the length."""
    begin = start
    for match in _STOP.finditer(text, start, end):
        if match.group()[0] == "." and _is_abbreviation(text, begin, match.start()):
            continue
        yield from _trimmed(text, begin, match.end())
        begin = match.end()
    yield from _trimmed(text, begin, end)


def _is_abbreviation(text: str, begin: int, stop: int) -> bool:
    word = _LAST_WORD.search(text, max(begin, stop - 12), stop)
    if word is None:
        return False
    last = word.group(1)
    return last.lower() in _ABBREVIATIONS or (len(last) == 1 and last.isupper()) or (last.isdigit() and len(last) < 3)


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start < end:
        yield from _pieces(text, start, end)
