"""Markdown as all formats write it: pipe tables, and text that has to stay on one line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

CONTROLS = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
EMPTY_LINES = re.compile(r"\n[ \t]*(?:\n[ \t]*)+\n")


def table(rows: Sequence[Sequence[str]], *, trimmed: bool = True) -> str:
    """A pipe table whose first row is the heading, pipes escaped; `trimmed` leaves out empty rows and columns."""
    width = max((len(row) for row in rows), default=0)
    full = [[*row, *[""] * (width - len(row))] for row in rows if any(row) or not trimmed]
    used = [column for column in range(width) if not trimmed or any(row[column] for row in full)]
    if not full or not used:
        return ""
    lines = [line([row[column] for column in used]) for row in full]
    lines.insert(1, rule(len(used)))
    return "\n".join(lines)


def line(cells: Iterable[str]) -> str:
    """One row of a table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def rule(width: int) -> str:
    """What stands between the heading of a table and its other rows."""
    return "|" + " --- |" * width


def flat(text: str) -> str:
    """The text on one line, without what cannot be seen."""
    if text.isprintable() and "  " not in text:
        return text.strip()
    return " ".join(CONTROLS.sub("", text).split())


def clean(text: str) -> str:
    """Text of several lines: line ends as `\\n`, no control characters, at most one empty line between two."""
    text = CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n"))
    return EMPTY_LINES.sub("\n\n", text).strip()


def joined(blocks: Iterable[str]) -> str:
    """Blocks with an empty line between them; empty ones are left out."""
    return "\n\n".join(block for block in blocks if block)


def heading(level: int, text: str) -> str:
    """A heading of level 1 to 6; empty where the text is."""
    text = flat(text)
    return f"{'#' * min(max(level, 1), 6)} {text}" if text else ""
