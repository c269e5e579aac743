"""Finds who a document comes from and whom it is for: labelled names first, else the head of the first page."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .layout import Line
from .lexicon import BUYER_LABELS, COMPANY_FORMS, SELLER_LABELS

_NOT_A_NAME = re.compile(
    r"\b(?:tax invoice|invoice|receipt|receipi|bill|statement|rechnung|facture|factuur|factura|fattura|faktura|page|date|tel|"
    r"telephone|phone|fax|gst|vat|reg|no|number|cashier|thank|welcome|order|table|total|amount|due|account|address|copy|"
    r"original|duplicate|jalan|jln|street|road|avenue|lot|taman|site|www|http\w*|description|quantity|qty|item|price|"
    r"notes?|terms|payment|subtotal|dear|please|summary|ship to|bill to)\b"
)
_HEAD_LINES = 12


def issuer(lines: Sequence[Line]) -> tuple[Line, int, int] | None:
    """The company that the document is from, as a span of a line."""
    return _labelled(SELLER_LABELS, lines) or _from_head(lines)


def recipient(lines: Sequence[Line]) -> tuple[Line, int, int] | None:
    """The customer, only where a label says so."""
    return _labelled(BUYER_LABELS, lines)


def _labelled(labels: re.Pattern[str], lines: Sequence[Line]) -> tuple[Line, int, int] | None:
    for index, line in enumerate(lines[:400]):
        match = labels.match(line.folded.lstrip(" |*#_-"))
        if match is None:
            continue
        offset = len(line.text) - len(line.text.lstrip(" |*#_-")) + match.end()
        rest = re.match(r"[\s|*_]*:[\s:|*_]*", line.text[offset:])
        if rest is None:
            if not line.text[offset:].strip() and (found := _next_name(lines, index)):
                return found
            continue
        start, end = _trim(line.text, offset + rest.end())
        if start < end:
            return line, start, end
        if found := _next_name(lines, index):
            return found
    return None


def _next_name(lines: Sequence[Line], index: int) -> tuple[Line, int, int] | None:
    for line in lines[index + 1 : index + 2]:
        if not line.text.strip().endswith(":") and re.search(r"[^\W\d_]{2}", line.text):
            return line, *_trim(line.text, 0)
    return None


def _trim(text: str, start: int) -> tuple[int, int]:
    """The name proper: up to a wide gap, the next label or the end of a table cell."""
    stop = re.search(r"\s{2,}|\t|\||\s\S{1,20}:\s|,?\s*$", text[start:])
    end = start + stop.start() if stop else len(text)
    while start < end and text[start] in " *_#|":
        start += 1
    while end > start and text[end - 1] in " *_,;":
        end -= 1
    return start, end


def _from_head(lines: Sequence[Line]) -> tuple[Line, int, int] | None:
    if not lines:
        return None
    head = [line for line in lines if line.page is lines[0].page]
    named = [(_rank(line, place), place, line) for place, line in enumerate(head[:60])]
    best = max(named, key=lambda entry: (entry[0], -entry[1]), default=None)
    if best is None or best[0] <= 0:
        return None
    start, end = _name_span(best[2].text)
    return best[2], start, end


def _rank(line: Line, place: int) -> float:
    text, folded = line.text.strip(), line.folded
    letters = sum(character.isalpha() for character in text)
    if letters < 3 or len(text) > 70 or letters < len(text.replace(" ", "")) * 0.5:
        return 0.0
    rank = 3.0 - place * 0.25 if place < _HEAD_LINES else 0.0
    form = COMPANY_FORMS.search(folded)
    if form:
        rank += 4.0 if place < _HEAD_LINES else 2.5
    if _NOT_A_NAME.search(folded) and not (form and place < 4):
        rank -= 4.0
    if re.search(r"[:;@]|^\W*\d+\s|\d{5}", text):
        rank -= 1.5
    if text.isupper() or text.istitle():
        rank += 0.5
    return rank


def _name_span(text: str) -> tuple[int, int]:
    start, end = _trim(text, len(text) - len(text.lstrip(" #*_|")))
    parts = re.search(r"\s+[-–|]\s+|\s*\((?=[^)]*\d)", text[start:end])  # noqa: RUF001
    return (start, start + parts.start()) if parts and parts.start() > 2 else (start, end)
