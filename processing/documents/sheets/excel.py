"""The XML of an Excel workbook (ECMA-376): extents of sheets, number formats of cells, comments."""

from __future__ import annotations

import posixpath
import re
import zipfile
from typing import Any, BinaryIO

from processing.documents import containers, markdown
from processing.documents.limits import Limits
from processing.documents.sheets.details import Details
from processing.documents.sheets.values import BUILT_IN, PLAIN, Shape, shape_of

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
PACKAGE = "{http://schemas.openxmlformats.org/package/2006/relationships}"
REFERENCE = re.compile(r"([A-Za-z]{1,3})(\d{1,7})")
MOST_COMMENTS = 10_000
THREADED = "[Threaded comment]"  # what older versions of Excel are told of a newer one's comment, which follows


def details(package: BinaryIO, limits: Limits) -> dict[str, Details]:
    """Of each worksheet by its name. Raises `UnreadableDocument`, also for a sheet that spans more than may be held."""
    with zipfile.ZipFile(package) as archive:
        book = _main_part(archive)
        parts = _related(archive, book)
        shapes = _shapes(archive, next((target for kind, target in parts.values() if kind == "styles"), ""))
        found = {}
        for sheet in _root(archive, book).iter(f"{MAIN}sheet"):
            kind, target = parts.get(sheet.get(RELATION, ""), ("", ""))
            if kind == "worksheet" and target in archive.namelist():
                found[sheet.get("name", "")] = _sheet(archive, target, shapes, limits)
        return found


def _root(archive: zipfile.ZipFile, name: str) -> Any:
    try:
        return containers.parsed(containers.content(archive, name))
    except KeyError:
        raise containers.broken() from None


def _main_part(archive: zipfile.ZipFile) -> str:
    parts = _related(archive, "")
    return next((target for kind, target in parts.values() if kind == "officeDocument"), "xl/workbook.xml")


def _related(archive: zipfile.ZipFile, part: str) -> dict[str, tuple[str, str]]:
    """What a part refers to: by the relation's id its kind, which is the last word of its type, and its target."""
    folder, name = posixpath.split(part)
    try:
        root = containers.parsed(containers.content(archive, posixpath.join(folder, "_rels", f"{name}.rels")))
    except KeyError:
        return {}
    return {
        each.get("Id", ""): (
            each.get("Type", "").rsplit("/", 1)[-1],
            posixpath.normpath(posixpath.join("/", folder, each.get("Target", ""))).lstrip("/"),
        )
        for each in root.iter(f"{PACKAGE}Relationship")
        if each.get("TargetMode") != "External"
    }


def _shapes(archive: zipfile.ZipFile, name: str) -> list[Shape]:
    """The way of showing numbers that each cell style asks for."""
    if name not in archive.namelist():
        return []
    root = _root(archive, name)
    codes = {each.get("numFmtId"): each.get("formatCode", "") for each in root.iter(f"{MAIN}numFmt")}
    styles = root.find(f"{MAIN}cellXfs")
    return [
        shape_of(codes.get(number) or (BUILT_IN.get(int(number), "") if number.isdigit() else ""))
        for number in (each.get("numFmtId", "0") for each in ([] if styles is None else styles.iter(f"{MAIN}xf")))
    ]


def _sheet(archive: zipfile.ZipFile, name: str, shapes: list[Shape], limits: Limits) -> Details:
    from lxml import etree

    found = Details()
    above, column = -1, -1  # the last row that has ended, and the last cell's column in the one that has not
    try:
        with archive.open(name) as stream:
            walk = etree.iterparse(
                stream, tag=(f"{MAIN}row", f"{MAIN}c"), resolve_entities=False, no_network=True, load_dtd=False
            )
            for _, element in walk:
                if element.tag == f"{MAIN}row":
                    above, column = _whole(element.get("r"), above + 2) - 1, -1
                    _forget(element)
                    continue
                row, column = _place(element, above, column + 1)
                _take(found, element, row, column, shapes)
    except etree.XMLSyntaxError as error:
        raise containers.broken() from error
    found.extent.refuse_too_large(limits)
    comments = next((target for kind, target in _related(archive, name).values() if kind == "comments"), "")
    if comments in archive.namelist():
        found.comments = _comments(_root(archive, comments))
    return found


def _take(found: Details, cell: Any, row: int, column: int, shapes: list[Shape]) -> None:
    if not len(cell):
        return  # It has a style and no value.
    found.extent.take_in(row, column)
    style = _whole(cell.get("s"), 0)
    if cell.get("t", "n") == "n" and style < len(shapes) and shapes[style] != PLAIN:
        found.shapes[row, column] = shapes[style]


def _forget(row: Any) -> None:
    """Let go of a row that has been seen, and of its place among its siblings."""
    row.clear()
    while row.getprevious() is not None:
        del row.getparent()[0]


def _whole(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 8 else otherwise


def _place(cell: Any, above: int, column: int) -> tuple[int, int]:
    """The cell's row and column by its reference; without one, those that are next."""
    match = REFERENCE.fullmatch(cell.get("r", ""))
    if match is None:
        row = cell.getparent()
        return _whole(None if row is None else row.get("r"), above + 2) - 1, column
    number = 0
    for letter in match[1].upper():
        number = number * 26 + ord(letter) - ord("A") + 1
    return int(match[2]) - 1, number - 1


def _comments(root: Any) -> list[str]:
    authors = [markdown.flat(each.text or "") for each in root.iter(f"{MAIN}author")]
    found: list[str] = []
    for each in root.iter(f"{MAIN}comment"):
        text = markdown.flat("".join(part.text or "" for part in each.iter(f"{MAIN}t")))
        author = _whole(each.get("authorId"), -1)
        name = authors[author] if 0 <= author < len(authors) else ""
        if text.startswith(THREADED):
            text = text.partition("Comment: ")[2]
        elif name and not text.startswith(name):
            text = f"{name}: {text}"
        if text and len(found) < MOST_COMMENTS:
            found.append(f"- {each.get('ref', '')}: {text}")
    return found
