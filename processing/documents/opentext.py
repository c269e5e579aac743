"""The walk through an OpenDocument text (OASIS ODF 1.3): headings, lists, tables, boxes and notes, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from processing.documents import containers, markdown, opendocument
from processing.documents.containers import too_complex
from processing.documents.limits import Limits

NAMESPACES = "urn:oasis:names:tc:opendocument:xmlns:"
MARKUP_DEPTH = 200


def _named(prefix: str) -> str:
    return f"{{{NAMESPACES}{prefix}:1.0}}"


TEXT, TABLE, DRAW, STYLE, OFFICE = map(_named, ("text", "table", "drawing", "style", "office"))
SVG, FO = _named("svg-compatible"), _named("xsl-fo-compatible")
PARAGRAPHS = (f"{TEXT}p", f"{TEXT}h")
# What is not text, or not what a person sees now.
SKIPPED = {
    *(
        f"{TEXT}{name}"
        for name in ("tracked-changes", "sequence-decls", "variable-decls", "user-field-decls", "ruby-text")
    ),
    *(f"{OFFICE}{name}" for name in ("annotation", "annotation-end", "forms", "binary-data", "event-listeners")),
    *(f"{TEXT}{name}" for name in ("table-of-content-source", "alphabetical-index-source", "note-citation")),
    f"{SVG}title",
    f"{SVG}desc",
}
ONE_LINE = {f"{TEXT}tab": "\t", f"{TEXT}line-break": "\n"}
MOST_BLANKS = 1000


def pages(file: BinaryIO, limits: Limits) -> list[str]:
    """The pages as the document was last laid out, as far as it tells. Raises `UnreadableDocument`."""
    opendocument.refuse_unsound(file, limits, "odt")
    with containers.archive(file, limits) as archive:
        content = containers.parsed(containers.content(archive, "content.xml"))
        styles = None
        if "styles.xml" in archive.namelist():
            styles = containers.parsed(containers.content(archive, "styles.xml"))
    body = content.find(f"{OFFICE}body/{OFFICE}text")
    if body is None:
        raise containers.broken()
    walk = Walk(content, styles, limits)
    walk.blocks(body, 0)
    found = walk.finished()
    if styles is not None:
        _add_margins(found, styles, walk)
    return found


class Walk:
    """One pass over a document; `finished` gives the Markdown of every page.

    A break of the layout counts only where text has come since the last one.
    """

    def __init__(self, content: Any, styles: Any | None, limits: Limits) -> None:
        self._limits = limits
        self._pages: list[str] = []
        self._blocks: list[tuple[str, bool]] = []
        self._notes: list[str] = []
        self._breaking: set[str] = set()
        self._numbered: set[tuple[str, str]] = set()
        for root in filter(lambda each: each is not None, (styles, content)):
            self._learn(root)

    def _learn(self, root: Any) -> None:
        for style in root.iter(f"{STYLE}style"):
            properties = style.find(f"{STYLE}paragraph-properties")
            turned = properties is not None and properties.get(f"{FO}break-before") == "page"
            if turned or style.get(f"{STYLE}master-page-name"):
                self._breaking.add(style.get(f"{STYLE}name"))
        for style in root.iter(f"{TEXT}list-style"):
            for level in style.iterchildren(f"{TEXT}list-level-style-number"):
                if level.get(f"{STYLE}num-format"):
                    self._numbered.add((style.get(f"{STYLE}name"), level.get(f"{TEXT}level")))

    def finished(self) -> list[str]:
        self.turn(explicit=True)
        while len(self._pages) > 1 and not self._pages[-1]:
            self._pages.pop()
        return self._pages

    def turn(self, *, explicit: bool) -> None:
        if not explicit and not self._blocks:
            return
        text, in_list = "", False
        for block, item in self._blocks:
            text += ("\n" if item and in_list else "\n\n") * bool(text) + block
            in_list = item
        self._pages.append(markdown.joined([text, *self._notes]))
        self._blocks, self._notes = [], []

    def blocks(self, element: Any, depth: int) -> None:
        if depth > MARKUP_DEPTH:
            raise too_complex("The document is nested too deeply to be read.")
        for each in element.iterchildren():
            if each.tag in PARAGRAPHS:
                self._paragraph(each, "", depth)
            elif each.tag == f"{TEXT}list":
                self._list(each, 0, "", depth)
            elif each.tag == f"{TABLE}table":
                self._table(each, depth)
            elif each.tag == f"{TEXT}soft-page-break":
                self.turn(explicit=False)
            elif isinstance(each.tag, str) and each.tag not in SKIPPED:
                self.blocks(each, depth + 1)

    def _paragraph(self, element: Any, mark: str, depth: int) -> None:
        if element.get(f"{TEXT}style-name") in self._breaking:
            self.turn(explicit=False)
        boxes: list[Any] = []
        text = ""
        for piece in self._pieces(element, boxes, depth):
            if piece is None:
                mark = self._add(element, text, mark)
                text = ""
                self.turn(explicit=False)
            else:
                text += piece
        self._add(element, text, mark)
        for box in boxes:
            self.blocks(box, depth + 1)

    def _add(self, element: Any, text: str, mark: str) -> str:
        """Put a paragraph on the page, and return the mark that is still to be set: blanks once it has been."""
        text = markdown.clean(text)
        if not text:
            return mark
        if element.tag == f"{TEXT}h":
            level = element.get(f"{TEXT}outline-level", "1")
            self._blocks.append((markdown.heading(int(level) if level.isdigit() else 1, text), False))
        elif mark:
            indent = " " * (len(mark) - len(mark.lstrip()) + 2)
            self._blocks.append((f"{mark} " + text.replace("\n", f"\n{indent}"), True))
        else:
            self._blocks.append((text, False))
        return " " * len(mark)

    def _pieces(self, element: Any, boxes: list[Any], depth: int) -> Iterator[str | None]:
        """A paragraph's text in order; None where the page ends. `boxes` takes what stands in frames of its own."""
        if depth > MARKUP_DEPTH:
            raise too_complex("The document is nested too deeply to be read.")
        yield " ".join((element.text or "").split("\n"))
        for each in element.iterchildren():
            yield from self._piece(each, boxes, depth)
            yield " ".join((each.tail or "").split("\n"))

    def _piece(self, element: Any, boxes: list[Any], depth: int) -> Iterator[str | None]:
        tag = element.tag
        if not isinstance(tag, str) or tag in SKIPPED:
            return
        if tag in ONE_LINE:
            yield ONE_LINE[tag]
        elif tag == f"{TEXT}s":
            count = element.get(f"{TEXT}c", "1")
            yield " " * (min(int(count), MOST_BLANKS) if count.isdigit() else 1)
        elif tag == f"{TEXT}soft-page-break":
            yield None
        elif tag == f"{TEXT}note":
            yield self._note(element, depth)
        elif tag == f"{DRAW}text-box":
            boxes.append(element)
        elif tag == f"{DRAW}frame" and element.find(f"{DRAW}text-box") is None:
            described = element.find(f"{SVG}desc")
            text = markdown.flat("" if described is None else described.text or "")
            yield f"![{text}]" if text else ""
        else:
            yield from self._pieces(element, boxes, depth + 1)

    def _note(self, element: Any, depth: int) -> str:
        body = element.find(f"{TEXT}note-body")
        citation = element.find(f"{TEXT}note-citation")
        label = f"[^{markdown.flat('' if citation is None else ''.join(citation.itertext())) or len(self._notes) + 1}]"
        if body is not None:
            self._notes.append(f"{label}: {self.flat(body, depth + 1)}")
        return label

    def flat(self, element: Any, depth: int) -> str:
        """All paragraphs below an element on one line."""
        boxes: list[Any] = []
        parts = []
        for each in element.iter(*PARAGRAPHS):
            parts.append("".join(piece or " " for piece in self._pieces(each, boxes, depth)))
        return markdown.flat(" ".join(parts))

    def _list(self, element: Any, level: int, style: str, depth: int) -> None:
        if depth > MARKUP_DEPTH:
            raise too_complex("The document is nested too deeply to be read.")
        style = element.get(f"{TEXT}style-name") or style
        numbered = (style, str(level + 1)) in self._numbered
        items = element.iterchildren(f"{TEXT}list-item", f"{TEXT}list-header")
        for number, item in enumerate(items, 1):
            mark = "  " * level + (f"{number}." if numbered else "-")
            for each in item.iterchildren():
                if each.tag in PARAGRAPHS:
                    self._paragraph(each, mark, depth)
                    mark = " " * len(mark)
                elif each.tag == f"{TEXT}list":
                    self._list(each, level + 1, style, depth + 1)

    def _table(self, table: Any, depth: int) -> None:
        rows: list[list[str]] = []
        places = 0
        for row in table.iter(f"{TABLE}table-row", f"{TEXT}soft-page-break"):
            if next(row.iterancestors(f"{TABLE}table")) is not table:
                continue  # It is a row of a table inside this one.
            if row.tag == f"{TEXT}soft-page-break":
                if rows and row.getparent().tag != f"{TABLE}table-cell":
                    self._blocks.append((markdown.table(rows), False))
                    self.turn(explicit=False)
                    rows = rows[:1]
                continue
            cells: list[str] = []
            for cell in row.iterchildren(f"{TABLE}table-cell", f"{TABLE}covered-table-cell"):
                text = self.flat(cell, depth + 1) if cell.tag == f"{TABLE}table-cell" else ""
                cells += [text] * min(_repeated(cell, "number-columns-repeated"), self._limits.columns)
            cells = cells[: self._limits.columns]
            times = _repeated(row, "number-rows-repeated") if any(cells) else 1
            places += times * len(cells)
            if places > self._limits.cells:
                raise too_complex("A table of the document has too many cells.")
            rows += [cells] * times
        self._blocks.append((markdown.table(rows), False))


def _repeated(element: Any, name: str) -> int:
    text = element.get(f"{TABLE}{name}", "1")
    return max(1, int(text[:7])) if text.isascii() and text.isdigit() else 1


def _add_margins(found: list[str], styles: Any, walk: Walk) -> None:
    """The header on the first page, the footer on the last."""
    for name, place in (("header", 0), ("footer", -1)):
        texts = dict.fromkeys(walk.flat(each, 0) for each in styles.iter(f"{STYLE}{name}"))
        extra = markdown.joined(texts)
        found[place] = markdown.joined([extra, found[place]] if place == 0 else [found[place], extra])
