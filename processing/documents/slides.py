"""Slides as pages: title, text with its levels, tables, charts and notes, in the order that a person reads them."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Iterator
from typing import Any

from processing.documents import markdown
from processing.documents.containers import broken, too_complex
from processing.documents.contract import Contents, Page, ReadOptions
from processing.documents.limits import Limits

DRAWING = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
PRESENTATION = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
DIAGRAM = "http://schemas.openxmlformats.org/drawingml/2006/diagram"
RELATIONS = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
COMPATIBILITY = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
BULLETS = (f"{DRAWING}buChar", f"{DRAWING}buAutoNum", f"{DRAWING}buBlip")
# Placeholders whose text is a list unless it says otherwise, and the one that only counts slides.
LISTS = ("BODY", "OBJECT", "VERTICAL_BODY", "VERTICAL_OBJECT", "CONTENT")
SLIDE_NUMBER = "SLIDE_NUMBER"
MOST_POINTS = 100
# What programs write where nobody has described the picture.
NOT_DESCRIBED = re.compile(r"|image|picture|\S+\.\w{2,4}", re.IGNORECASE)


def contents(presentation: Any, options: ReadOptions, limits: Limits) -> Contents:
    """The slides that python-pptx has opened, hidden ones in their place. Raises `UnreadableDocument`."""
    count = len(presentation.slides)
    if count > limits.slides:
        raise too_complex(f"The presentation has {count} slides; the limit is {limits.slides}.")
    return Contents(count, _pages(presentation, options, limits))


def _pages(presentation: Any, options: ReadOptions, limits: Limits) -> Iterator[Page]:
    for number in range(1, len(presentation.slides) + 1):
        if options.wants(number):
            try:
                slide = presentation.slides[number - 1]
            except (KeyError, AttributeError, IndexError) as error:
                raise broken() from error
            text = _slide(slide, limits)
            yield Page(number, text, "text" if text else "none")


def _slide(slide: Any, limits: Limits) -> str:
    title = _guarded(lambda: slide.shapes.title)
    heading = " ".join(_words(each._p) for each in title.text_frame.paragraphs) if title is not None else ""
    blocks = [markdown.heading(1, heading)]
    if slide._element.get("show") == "0":
        blocks.append("(hidden slide)")
    for shape in _in_order(slide.shapes):
        if title is None or shape.shape_id != title.shape_id:
            blocks += _shape(shape, limits, 0)
    notes = _guarded(lambda: slide.notes_slide.notes_text_frame.text) if slide.has_notes_slide else None
    if notes and notes.strip():
        blocks.append("Notes:\n\n" + markdown.clean(notes.replace("\v", "\n")))
    return markdown.joined(blocks)


def _guarded(look: Any) -> Any:
    """What `look` finds; None where this part of the slide is not as the library expects: the others are read."""
    try:
        return look()
    except (AttributeError, KeyError, ValueError, IndexError, NotImplementedError, TypeError):
        return None


def _in_order(shapes: Iterable[Any]) -> list[Any]:
    """Top to bottom, and what begins at about the same height left to right; what has no place of its own comes
    first, in the file's order."""
    unplaced: list[Any] = []
    placed: list[tuple[int, int, Any]] = []
    for each in shapes:
        top, left = _guarded(lambda each=each: (each.top, each.left)) or (None, None)
        if top is None or left is None:
            unplaced.append(each)
        else:
            placed.append((top, left, each))
    heights = [each.height for _, _, each in placed if _guarded(lambda each=each: each.height)]
    near = statistics.median(heights) / 4 if heights else 0
    rows: list[tuple[int, list[tuple[int, Any]]]] = []
    for top, left, each in sorted(placed, key=lambda item: item[:2]):
        if rows and top - rows[-1][0] <= near:
            rows[-1][1].append((left, each))
        else:
            rows.append((top, [(left, each)]))
    return unplaced + [each for _, row in rows for _, each in sorted(row, key=lambda item: item[0])]


def _shape(shape: Any, limits: Limits, depth: int) -> list[str]:
    if depth > limits.shape_depth:
        raise too_complex(f"The shapes of a slide are grouped more than {limits.shape_depth} deep.")
    if (parts := _guarded(lambda: shape.shapes)) is not None:
        return [block for each in _in_order(parts) for block in _shape(each, limits, depth + 1)]
    if _guarded(lambda: shape.has_table):
        return [_table(shape.table, limits)]
    if _guarded(lambda: shape.has_chart):
        return _chart(_guarded(lambda: shape.chart))
    if _guarded(lambda: shape.has_text_frame):
        if _placeholder(shape) == SLIDE_NUMBER:
            return []
        return [_text(shape.text_frame, listed=_placeholder(shape).startswith(LISTS))]
    return [_diagram(shape) or _picture(shape)]


def _placeholder(shape: Any) -> str:
    return str(_guarded(lambda: shape.placeholder_format.type.name) or "")


def _text(frame: Any, *, listed: bool) -> str:
    """Paragraphs; those of a list with their mark and level, numbers counted as PowerPoint does."""
    lines: list[tuple[str, bool]] = []
    counts: dict[int, int] = {}
    for paragraph in frame.paragraphs:
        text = markdown.clean(_words(paragraph._p))
        if not text:
            continue
        level = min(max(paragraph.level or 0, 0), 8)
        mark = _mark(paragraph, listed)
        counts = {known: value for known, value in counts.items() if known <= level and (known < level or mark == "1.")}
        if mark == "1.":
            counts[level] = counts.get(level, 0) + 1
            mark = f"{counts[level]}."
        indent = "  " * level
        lines.append((f"{indent}{mark} " + text.replace("\n", f"\n{indent}  "), True) if mark else (text, False))
    found = ""
    listed_before = False
    for line, item in lines:
        found += ("\n" if item and listed_before else "\n\n") * bool(found) + line
        listed_before = item
    # A list of one point is how many slides hold a plain sentence.
    return lines[0][0].removeprefix("- ") if len(lines) == 1 else found


def _words(element: Any) -> str:
    """A paragraph's text with its line breaks and fields."""
    parts = []
    for each in element.iter(f"{DRAWING}t", f"{DRAWING}br", f"{DRAWING}tab"):
        parts.append((each.text or "") if each.tag == f"{DRAWING}t" else "\n" if each.tag == f"{DRAWING}br" else "\t")
    return "".join(parts)


def _mark(paragraph: Any, listed: bool) -> str:  # noqa: FBT001
    properties = paragraph._p.find(f"{DRAWING}pPr")
    if properties is not None:
        if properties.find(f"{DRAWING}buAutoNum") is not None:
            return "1."
        if any(properties.find(name) is not None for name in BULLETS):
            return "-"
        if properties.find(f"{DRAWING}buNone") is not None:
            return ""
    return "-" if listed else ""


def _table(table: Any, limits: Limits) -> str:
    """A merged cell's text stands once, and the cells that it covers are empty."""
    if len(table.rows) * len(table.columns) > limits.cells:
        raise too_complex("A table of a slide has too many cells.")
    rows = []
    for row in table._tbl.iterchildren(f"{DRAWING}tr"):
        cells = list(row.iterchildren(f"{DRAWING}tc"))
        rows.append(["" if _covered(cell) else _cell(cell) for cell in cells[: limits.columns]])
    return markdown.table(rows)


def _covered(cell: Any) -> bool:
    return any(cell.get(name) in ("1", "true") for name in ("hMerge", "vMerge"))


def _cell(cell: Any) -> str:
    return markdown.flat(" ".join(_words(each) for each in cell.iter(f"{DRAWING}p")))


def _chart(chart: Any) -> list[str]:
    """A chart's title, and what it draws as a table: a row for each category, a column for each series."""
    if chart is None:
        return []
    title = _guarded(lambda: chart.chart_title.text_frame.text) if _guarded(lambda: chart.has_title) else None
    blocks = [markdown.flat(f"Chart: {title}") if title else ""]
    for plot in _guarded(lambda: list(chart.plots)) or []:
        series = _guarded(lambda plot=plot: list(plot.series)) or []
        labels = _guarded(lambda plot=plot: [str(each) for each in plot.categories]) or []
        columns = [_guarded(lambda each=each: list(each.values)) or [] for each in series]
        length = min(max([len(labels), *map(len, columns)], default=0), MOST_POINTS)
        names = [markdown.flat(str(_guarded(lambda each=each: each.name) or "")) for each in series]
        rows = [["", *names]]
        for index in range(length):
            label = markdown.flat(labels[index]) if index < len(labels) else str(index + 1)
            rows.append([label, *(_value(column, index) for column in columns)])
        blocks.append(markdown.table(rows) if length else "")
    return blocks


def _value(column: list[Any], index: int) -> str:
    value = column[index] if index < len(column) else None
    return "" if value is None else f"{value:.15g}"


def _diagram(shape: Any) -> str:
    """The words of a diagram (SmartArt), which lie in a part of their own."""
    from processing.documents import containers

    for reference in shape._element.iter(f"{{{DIAGRAM}}}relIds"):
        part = _guarded(lambda reference=reference: shape.part.related_part(reference.get(f"{RELATIONS}dm")))
        if part is not None:
            words = (markdown.flat(_words(each)) for each in containers.parsed(part.blob).iter(f"{DRAWING}p"))
            return "\n".join(f"- {each}" for each in words if each)
    return ""


def _picture(shape: Any) -> str:
    """What the author wrote about a picture for those who cannot see it."""
    for properties in shape._element.iter(f"{PRESENTATION}cNvPr"):
        text = markdown.flat(properties.get("descr") or "")
        return "" if NOT_DESCRIBED.fullmatch(text) else f"![{text}]"
    return ""
