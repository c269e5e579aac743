"""The tables of an HTML page as pipe tables, and its other elements as the Markdown that all formats write."""

from __future__ import annotations

from typing import Any

from markdownify import ATX, MarkdownConverter

from processing.documents import markdown
from processing.documents.containers import too_complex
from processing.documents.limits import Limits

PLACE = "pipetable"  # an element of our own, which stands for a table that has become text
CELLS = ("td", "th")
HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
MOST_COLUMNS = 1000
LONGEST_REPEATED = 200
LONGEST_VALUE = 400
MARKS_OF_DATA = ("th", "caption", "thead")


class Converter(MarkdownConverter):
    """Structure is kept, and text stays as it reads: no emphasis, no addresses of links, nothing escaped."""

    def __init__(self) -> None:
        super().__init__(
            heading_style=ATX,
            bullets="-",
            escape_asterisks=False,
            escape_underscores=False,
            escape_misc=False,
            wrap=True,  # a line's end in the source is a blank, but
            wrap_width=None,  # no line is broken
            strip=[
                "a",
                "b",
                "strong",
                "i",
                "em",
                "code",
                "kbd",
                "samp",
                "del",
                "s",
                "sub",
                "sup",
                "q",
                "td",
                "th",
                "tr",
            ],
        )
        self.tables: list[str] = []

    def convert_cell(self, cell: Any) -> str:
        """What stands in a cell, which may be lists and paragraphs."""
        return str(self.process_tag(cell, parent_tags={"td", "_inline"}))  # type: ignore[attr-defined]

    def convert_img(self, el: Any, text: str, parent_tags: set[str]) -> str:
        """What stands for a picture that cannot be seen."""
        described = markdown.flat(str(el.get("alt") or ""))
        return f"![{described}]" if described else ""

    def convert_table(self, el: Any, text: str, parent_tags: set[str]) -> str:
        return f"\n\n{text}\n\n"

    def convert_caption(self, el: Any, text: str, parent_tags: set[str]) -> str:
        return f"\n\n{text.strip()}\n\n"

    def convert_pipetable(self, el: Any, text: str, parent_tags: set[str]) -> str:
        return f"\n\n{self.tables[int(el['n'])]}\n\n"

    def convert_summary(self, el: Any, text: str, parent_tags: set[str]) -> str:
        return f"\n\n{text.strip()}\n\n"

    convert_option = convert_legend = convert_address = convert_summary


def replace_tables(soup: Any, converter: Converter, limits: Limits) -> None:
    """Put the text of each table in its place, inner tables before those around them.

    A table that only arranges the page becomes what it holds, cell by cell. Raises `UnreadableDocument`.
    """
    for table in reversed(soup.find_all("table")):
        rows = [[cell for cell in row.find_all(CELLS) if cell.find_parent("tr") is row] for row in table.find_all("tr")]
        rows = [row for row in rows if row]
        if not rows or _arranges(table, rows):
            _unfold(table, rows)
            continue
        captions = table.find_all("caption")
        text = markdown.table(_grid(rows, converter, limits))
        place = soup.new_tag(PLACE, n=str(len(converter.tables)))
        converter.tables.append(text)
        table.insert_before(*[_as_paragraph(soup, each) for each in captions], place)
        table.decompose()


def _arranges(table: Any, rows: list[list[Any]]) -> bool:
    """Whether a table only puts parts of the page side by side: it says so, or it holds parts rather than values."""
    if str(table.get("role")) in ("presentation", "none"):
        return True
    if table.find(MARKS_OF_DATA):
        return False
    if len(rows) == 1 and len(rows[0]) == 1:
        return True
    if table.find((PLACE, *HEADINGS)) is None:
        return False
    return any(len(row) == 1 or any(len(cell.get_text()) > LONGEST_VALUE for cell in row) for row in rows)


def _unfold(table: Any, rows: list[list[Any]]) -> None:
    for element in (*(cell for row in rows for cell in row), *table.find_all(("tr", "tbody", "tfoot", "thead"))):
        element.name = "div"
    table.name = "div"


def _as_paragraph(soup: Any, caption: Any) -> Any:
    paragraph = soup.new_tag("p")
    paragraph.string = markdown.flat(caption.get_text(" "))
    return paragraph


def _grid(rows: list[list[Any]], converter: Converter, limits: Limits) -> list[list[str]]:
    """The cells at their places. One that spans several stands in each of them, so that a row tells all by itself,
    unless it is long or a line across the whole table."""
    placed: dict[tuple[int, int], str] = {}
    for number, row in enumerate(rows):
        column = 0
        for cell in row:
            while (number, column) in placed:
                column += 1
            across, down = _span(cell, "colspan", MOST_COLUMNS), _span(cell, "rowspan", len(rows) - number)
            if len(placed) + across * down > limits.cells:
                raise too_complex("A table of the document has too many cells.")
            text = _text(cell, converter)
            again = text if len(text) <= LONGEST_REPEATED and not (len(row) == 1 and across > 1) else ""
            for right in range(across):
                for below in range(down):
                    placed.setdefault((number + below, column + right), text if right == below == 0 else again)
            column += across
    width = max((column for _, column in placed), default=-1) + 1
    if width * len(rows) > limits.cells:
        raise too_complex("A table of the document has too many cells.")
    return [[placed.get((number, column), "") for column in range(width)] for number in range(len(rows))]


def _span(cell: Any, name: str, most: int) -> int:
    text = str(cell.get(name) or "1").strip()
    if not (text.isascii() and text.isdigit()):
        return 1
    value = int(text[:9])
    return max(1, min(value, most)) if value else (most if name == "rowspan" else 1)


def _text(cell: Any, converter: Converter) -> str:
    """A cell on one line; a table inside it row by row."""
    if all(isinstance(each, str) for each in cell.children):
        return markdown.flat(cell.get_text())
    for place in cell.find_all(PLACE):
        place.replace_with(f" {_in_words(converter.tables[int(place['n'])])} ")
    return markdown.flat(converter.convert_cell(cell))


def _in_words(table: str) -> str:
    lines = table.split("\n")
    return " ".join(
        ", ".join(cell.strip() for cell in line.strip("| ").split(" | ") if cell.strip()) + ";"
        for number, line in enumerate(lines)
        if number != 1
    )
