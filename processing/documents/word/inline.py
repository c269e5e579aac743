"""What stands inside a paragraph, in order: text, breaks between pages, notes and text boxes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from processing.documents.word.names import COMPATIBILITY, MATH, attribute, w


@dataclass(frozen=True, slots=True)
class Break:
    """The page ends here: because the author said so (`explicit`), or where Word last laid it out so."""

    explicit: bool


@dataclass(frozen=True, slots=True)
class Note:
    """A reference to a note; `kind` is `footnote` or `endnote`."""

    kind: str
    id: str


@dataclass(frozen=True, slots=True)
class Box:
    """A text box, with paragraphs and tables of its own."""

    element: Any


Token = str | Break | Note | Box

# Properties, deleted text, field codes, and what older programs get to see of a shape that is there already.
SKIPPED = frozenset(
    {
        *map(
            w, ("pPr", "rPr", "sdtPr", "sdtEndPr", "tblPr", "tcPr", "trPr", "del", "moveFrom", "instrText", "delText")
        ),
        w("rubyPr"),
        w("rt"),
        f"{{{COMPATIBILITY}}}Fallback",
    }
)
TEXT = frozenset({w("t"), f"{{{MATH}}}t"})
CHARACTERS = {w("tab"): "\t", w("cr"): "\n", w("noBreakHyphen"): "-", w("ptab"): "\t"}
NOTES = {w("footnoteReference"): "footnote", w("endnoteReference"): "endnote"}


def tokens(element: Any) -> Iterator[Token]:
    for each in element.iterchildren():
        tag = each.tag
        if not isinstance(tag, str) or tag in SKIPPED:
            continue
        found = _token(each, tag)
        if found is not None:
            yield found
        else:
            yield from tokens(each)


def _token(element: Any, tag: str) -> Token | None:
    """What an element stands for by itself; None where its children tell."""
    if tag in TEXT:
        return element.text or ""
    if tag in CHARACTERS:
        return CHARACTERS[tag]
    if tag == w("br"):
        return Break(explicit=True) if attribute(element, "type") == "page" else "\n"
    if tag == w("lastRenderedPageBreak"):
        return Break(explicit=False)
    if tag in NOTES:
        return Note(NOTES[tag], attribute(element, "id") or "")
    if tag == w("txbxContent"):
        return Box(element)
    return None
