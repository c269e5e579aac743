"""One part's answer, and how a value or a passage is quoted with its page."""

from __future__ import annotations

import re
from dataclasses import dataclass

from modelsregistry.contract import Passage

from .layout import Kind, Line, Unit, squeeze

LONGEST_PASSAGE = 600


@dataclass(frozen=True, slots=True)
class Reply:
    """What one question gets; without passages nothing was found (or the reading itself was asked for)."""

    text: str
    passages: tuple[Passage, ...] = ()
    candidates: int = 0

    @property
    def found(self) -> bool:
        return bool(self.passages)


def quote(value: str, page: int) -> str:
    return f"{squeeze(value)} (page {page})"


def clean(unit: Unit) -> str:
    """A unit without its list mark or table bars."""
    text = _MARK.sub("", unit.text)
    return squeeze(text.strip().strip("|").replace("|", " · ")) if unit.kind is Kind.ROW else squeeze(text)


_MARK = re.compile(r"^\s*(?:[-*•◦▪●–\ue000-\uf8ff]|\(?\d{1,2}[.)])\s+")


def evidence(line: Line, start: int, end: int, label_line: Line | None = None) -> str:
    """The line around `line.text[start:end]`, with its label's line where that is near; verbatim but for blanks. Line
    breaks are kept, since only at the beginning of a line does a mark tell a heading or an item."""
    if label_line is not None and label_line.page is line.page and label_line.start != line.start:
        left, right = min(label_line.start, line.start), max(label_line.end, line.end)
        if right - left <= LONGEST_PASSAGE:
            return "\n".join(squeeze(each) for each in line.page.text[left:right].splitlines() if each.strip())
    if len(line.text) <= LONGEST_PASSAGE:
        return squeeze(line.text)
    left = max(0, start - LONGEST_PASSAGE // 2)
    right = min(len(line.text), max(end, left + LONGEST_PASSAGE))
    while left > 0 and not line.text[left - 1].isspace():
        left -= 1
    while right < len(line.text) and not line.text[right].isspace():
        right += 1
    return squeeze(line.text[left:right])
