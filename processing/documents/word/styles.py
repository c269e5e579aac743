"""What a paragraph is by its style and numbering: a heading of some level, a list item with its mark, or neither."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from processing.documents.word.names import attribute, child, children, w

HEADING = re.compile(r"heading\s*([1-9])", re.IGNORECASE)
MAX_LEVEL = 6
MAX_DEPTH = 20
PLACE = re.compile(r"%([1-9])")
BODY_TEXT_LEVEL = 9


@dataclass(frozen=True, slots=True)
class Style:
    """`heading` is 1–6 or None; `number` is the numbering's id and level, or None."""

    heading: int | None = None
    number: tuple[str, int] | None = None


PLAIN = Style()


class Styles:
    """The paragraph styles by their ids, with what they inherit."""

    def __init__(self, root: Any | None) -> None:
        elements = [] if root is None else children(root, w("style"))
        self._elements = {attribute(each, "styleId"): each for each in elements}
        self._known: dict[str, Style] = {}

    def of(self, paragraph: Any) -> Style:
        """What this paragraph is; what it says of itself outweighs its style."""
        properties = child(paragraph, w("pPr"))
        if properties is None:
            return PLAIN
        named = self._named(attribute(child(properties, w("pStyle")), "val") or "")
        own = _own(properties, "")
        return Style(own.heading or named.heading, own.number or named.number)

    def _named(self, name: str, depth: int = 0) -> Style:
        if name in self._known:
            return self._known[name]
        element = self._elements.get(name)
        if element is None or depth > MAX_DEPTH:
            return PLAIN
        own = _own(child(element, w("pPr")), attribute(child(element, w("name")), "val") or "")
        base = self._named(attribute(child(element, w("basedOn")), "val") or "", depth + 1)
        self._known[name] = Style(own.heading or base.heading, own.number or base.number)
        return self._known[name]


def _own(properties: Any | None, name: str) -> Style:
    match = HEADING.fullmatch(name.strip())
    heading = int(match[1]) if match else 1 if name.strip().lower() == "title" else None
    if properties is None:
        return Style(heading)
    outline = attribute(child(properties, w("outlineLvl")), "val")
    if heading is None and outline is not None and outline.isdigit() and int(outline) < BODY_TEXT_LEVEL:
        heading = int(outline) + 1
    return Style(min(heading, MAX_LEVEL) if heading else None, _number(child(properties, w("numPr"))))


def _number(element: Any | None) -> tuple[str, int] | None:
    number = attribute(child(element, w("numId")), "val")
    if not number:
        return None
    level = attribute(child(element, w("ilvl")), "val") or "0"
    return number, min(int(level), 8) if level.isdigit() else 0


class Numbering:
    """The marks of list items, counted as the document goes on."""

    def __init__(self, root: Any | None) -> None:
        self._levels: dict[str, dict[int, tuple[str, str, int]]] = {}
        self._counts: dict[str, list[int]] = {}
        if root is None:
            return
        abstract = {attribute(each, "abstractNumId"): _levels(each) for each in children(root, w("abstractNum"))}
        for each in children(root, w("num")):
            target = attribute(child(each, w("abstractNumId")), "val")
            self._levels[attribute(each, "numId") or ""] = abstract.get(target, {})

    def mark(self, number: tuple[str, int]) -> str:
        """`-` for a bullet, else what the reader sees, such as `2.1` or `c)`; empty where numbering is switched off."""
        name, level = number
        levels = self._levels.get(name)
        if not levels:
            return "" if name == "0" else "-"
        kind, pattern, _ = levels.get(level, ("bullet", "", 1))
        counts = self._counts.setdefault(name, [levels.get(each, ("", "", 1))[2] - 1 for each in range(9)])
        counts[level] += 1
        for deeper in range(level + 1, 9):
            counts[deeper] = levels.get(deeper, ("", "", 1))[2] - 1
        if kind in ("bullet", "none"):
            return "-" if kind == "bullet" else ""
        return PLACE.sub(lambda match: _place(levels, counts, int(match[1]) - 1), pattern)


def _place(levels: dict[int, tuple[str, str, int]], counts: list[int], level: int) -> str:
    kind, _, start = levels.get(level, ("decimal", "", 1))
    return _WRITTEN.get(kind, str)(max(counts[level], start))


def _levels(abstract: Any) -> dict[int, tuple[str, str, int]]:
    """Of each level its format, its pattern and its first number."""
    found = {}
    for each in children(abstract, w("lvl")):
        level = attribute(each, "ilvl") or ""
        if level.isdigit():
            start = attribute(child(each, w("start")), "val") or "1"
            found[int(level)] = (
                attribute(child(each, w("numFmt")), "val") or "decimal",
                attribute(child(each, w("lvlText")), "val") or "",
                int(start) if start.isdigit() else 1,
            )
    return found


def _letters(value: int) -> str:
    return chr(ord("a") + (value - 1) % 26) * ((value - 1) // 26 % 10 + 1) if value > 0 else "0"


def _roman(value: int) -> str:
    text = ""
    for number, sign in zip(
        (1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1),
        ("m", "cm", "d", "cd", "c", "xc", "l", "xl", "x", "ix", "v", "iv", "i"),
        strict=True,
    ):
        count, value = divmod(value % 4000, number)
        text += sign * count
    return text


_WRITTEN: dict[str, Callable[[int], str]] = {
    "lowerLetter": _letters,
    "upperLetter": lambda value: _letters(value).upper(),
    "lowerRoman": _roman,
    "upperRoman": lambda value: _roman(value).upper(),
    "decimalZero": lambda value: f"{value:02d}",
}
