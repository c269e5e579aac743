"""The walk through a Word document: paragraphs, headings, lists, tables, text boxes and notes, page by page."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from processing.documents import markdown
from processing.documents.word import tables
from processing.documents.word.inline import Box, Break, Note, tokens
from processing.documents.word.names import COMPATIBILITY, attribute, child, children, w
from processing.documents.word.styles import Numbering, Style, Styles

TRANSPARENT = frozenset(
    {*map(w, ("sdt", "sdtContent", "ins", "moveTo", "customXml", "smartTag")), f"{{{COMPATIBILITY}}}AlternateContent"}
    | {f"{{{COMPATIBILITY}}}Choice"}
)
OFF = ("0", "false", "off")
LONGEST_VALUE = 400


class Walk:
    """One pass over a document; `pages` afterwards holds the Markdown of every page.

    A break that Word laid out counts only where text has come since the last one, because Word repeats by it the
    breaks that the author set.
    """

    def __init__(self, styles: Styles, numbering: Numbering, notes: dict[tuple[str, str], Any]) -> None:
        self._styles = styles
        self._numbering = numbering
        self._notes = notes
        self._blocks: list[tuple[str, bool]] = []
        self._footnotes: list[str] = []
        self.pages: list[str] = []

    def body(self, element: Any) -> None:
        self.blocks(element)
        self._turn(explicit=True)
        while self.pages and not self.pages[-1]:
            self.pages.pop()

    def blocks(self, element: Any) -> None:
        for each in element.iterchildren():
            if each.tag == w("p"):
                self._paragraph(each)
            elif each.tag == w("tbl"):
                self._table(each)
            elif each.tag in TRANSPARENT:
                self.blocks(each)

    def _paragraph(self, element: Any) -> None:
        properties = child(element, w("pPr"))
        if _is_on(child(properties, w("pageBreakBefore"))):
            self._turn(explicit=False)
        style = self._styles.of(element)
        mark = self._numbering.mark(style.number) if style.number else ""
        boxes: list[Box] = []
        text = ""
        for token in tokens(element):
            if isinstance(token, str):
                text += token
            elif isinstance(token, Note):
                text += self._noted(token)
            elif isinstance(token, Box):
                boxes.append(token)
            else:
                mark = self._add(text, style, mark)
                text = ""
                self._turn(explicit=token.explicit)
        self._add(text, style, mark)
        for box in boxes:
            self.blocks(box.element)
        if _ends_on_new_page(child(properties, w("sectPr"))):
            self._turn(explicit=False)

    def _add(self, text: str, style: Style, mark: str) -> str:
        """Put a paragraph on the page, and return the mark that is still to be set: none once it has been."""
        text = text.strip()
        if not text:
            return mark
        if style.heading:
            self._blocks.append((f"{'#' * style.heading} {mark + ' ' if mark not in ('', '-') else ''}{text}", False))
        elif mark:
            indent = "  " * (style.number[1] if style.number else 0)
            self._blocks.append((f"{indent}{mark} " + text.replace("\n", f"\n{indent}  "), True))
        else:
            self._blocks.append((text, False))
        return ""

    def _noted(self, note: Note) -> str:
        element = self._notes.get((note.kind, note.id))
        if element is None:
            return ""
        label = f"[^{note.id}]" if note.kind == "footnote" else f"[^e{note.id}]"
        content = " ".join(flat(each) for each in element.iter(w("p"))).strip()
        self._footnotes.append(f"{label}: {content}")
        return label

    def _table(self, element: Any) -> None:
        rows = children_of_table(element)
        if _frames(rows):
            for row in rows:
                for cell in children(row, w("tc")):
                    self.blocks(cell)
            return
        header: list[str] | None = None
        fragment: list[list[str]] = []
        for row in tables.grid(rows, self._cell):
            if fragment and any(isinstance(each, Break) for each in tokens(row.element)):
                self._add_table(fragment)
                self._turn(explicit=False)
                fragment = [header] if header else []
            header = header or row.cells
            fragment.append(row.cells)
        self._add_table(fragment)

    def _add_table(self, fragment: list[list[str]]) -> None:
        text = markdown.table(fragment)
        if text:
            self._blocks.append((text, False))

    def _cell(self, element: Any) -> str:
        """A cell's text on one line; a table inside it row by row."""
        parts: list[str] = []
        for each in element.iterchildren():
            if each.tag == w("p"):
                style = self._styles.of(each)
                mark = self._numbering.mark(style.number) if style.number else ""
                parts.append(f"{mark} {flat(each, self._noted)}".strip())
            elif each.tag == w("tbl"):
                for row in children_of_table(each):
                    cells = (self._cell(cell) for cell in children(row, w("tc")))
                    parts.append(", ".join(cell for cell in cells if cell) + ";")
            elif each.tag in TRANSPARENT:
                parts.append(self._cell(each))
        return " ".join(" ".join(parts).split())

    def _turn(self, *, explicit: bool) -> None:
        if not explicit and not self._blocks:
            return
        text = ""
        in_list = False
        for block, item in self._blocks:
            text += ("\n" if item and in_list else "\n\n") * bool(text) + block
            in_list = item
        self.pages.append("\n\n".join([text, *self._footnotes]).strip("\n"))
        self._blocks, self._footnotes = [], []


def flat(paragraph: Any, noted: Any = None) -> str:
    """A paragraph's text with that of its text boxes, on one line."""
    parts: list[str] = []
    for token in tokens(paragraph):
        if isinstance(token, str):
            parts.append(token)
        elif isinstance(token, Note) and noted is not None:
            parts.append(noted(token))
        elif isinstance(token, Box):
            parts += [" ", *(flat(each, noted) for each in token.element.iter(w("p")))]
    return " ".join("".join(parts).split())


def children_of_table(table: Any) -> list[Any]:
    """The rows, out of whatever they are wrapped in."""
    return list(_rows(table))


def _frames(rows: list[Any]) -> bool:
    """Whether a table of one column is a frame around parts of the page rather than a column of values."""
    cells = [cell for row in rows for cell in children(row, w("tc"))]
    if any(len(children(row, w("tc"))) > 1 for row in rows):
        return False
    texts = ["".join(each.text or "" for each in cell.iter(w("t"))) for cell in cells]
    held = any(next(cell.iter(w("tbl")), None) is not None for cell in cells)
    return held or sum(map(bool, texts)) < 2 or max(map(len, texts)) > LONGEST_VALUE


def _rows(element: Any) -> Iterator[Any]:
    for each in element.iterchildren():
        if each.tag == w("tr"):
            yield each
        elif each.tag in TRANSPARENT:
            yield from _rows(each)


def _is_on(switch: Any | None) -> bool:
    return switch is not None and (attribute(switch, "val") or "1") not in OFF


def _ends_on_new_page(section: Any | None) -> bool:
    if section is None:
        return False
    return (attribute(child(section, w("type")), "val") or "nextPage") not in ("continuous", "nextColumn")


def whole(document: Any) -> list[str]:
    """The pages of a document that python-docx has opened: its headers on the first, its footers on the last."""
    parts = _parts(document)
    walk = Walk(Styles(_root(parts, "styles")), Numbering(_root(parts, "numbering")), _notes(parts))
    walk.body(document.element.body)
    pages = walk.pages or [""]
    for kind, place in (("header", 0), ("footer", -1)):
        found: list[str] = []
        for part in parts.get(kind, []):
            lines = (flat(each) for each in part.iter(w("p")))
            text = "\n".join(line for line in lines if line)
            if text and text not in found:
                found.append(text)
        extra = "\n\n".join(found)
        if extra:
            pages[place] = "\n\n".join(filter(None, [extra, pages[place]] if place == 0 else [pages[place], extra]))
    return pages


def _parts(document: Any) -> dict[str, list[Any]]:
    """The roots of the parts that the document refers to, by the last word of the relationship's type."""
    from docx.oxml.parser import parse_xml

    found: dict[str, list[Any]] = {}
    for relation in document.part.rels.values():
        kind = relation.reltype.rsplit("/", 1)[-1]
        if relation.is_external or kind not in ("styles", "numbering", "footnotes", "endnotes", "header", "footer"):
            continue
        with contextlib.suppress(ValueError, SyntaxError):  # A broken footer does not spoil the body.
            found.setdefault(kind, []).append(parse_xml(relation.target_part.blob))
    return found


def _root(parts: dict[str, list[Any]], kind: str) -> Any | None:
    return next(iter(parts.get(kind, [])), None)


def _notes(parts: dict[str, list[Any]]) -> dict[tuple[str, str], Any]:
    return {
        (kind, attribute(each, "id") or ""): each
        for kind in ("footnote", "endnote")
        for root in parts.get(f"{kind}s", [])
        for each in children(root, w(kind))
    }
