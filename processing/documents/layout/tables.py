"""Tables, found by cells that stand below one another, as Markdown."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from processing.documents.layout.pieces import Piece, Word, piece

LIST_MARK = re.compile(r"[•●○▪■□◦‣⁃·*–-]|\(?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,4})[.)]")
FIGURE = re.compile(r"[(\[+−–-]?[$€£¥]?\s?\d[\d.,:%/'’]*\s?[)\]%€$£KMBTkmbt]{0,2}|[-–—%]")
CURRENCY = re.compile(r"[$€£¥]|[A-Z]{3}")
NEAR = 0.7  # The share of the distance between rows within which a line belongs to the row beside it.
SIGN = re.compile(r"[=∑∫∏√∂∇∈∉⊂⊆∩∪∀∃⇒⇔→↦≅≈≡∞{}⟨⟩∅]")
LEADER = re.compile(r"(?:\.\s?){5}")
FAR = 1.5  # Heights of a line between two rows of one table.
CROSSED = 0.34  # The share of the rows in which a cell may be wider than its column.
CLASHES = 0.2  # The share of the rows that may have two cells in one column.
UNEVEN, FORMULA = 0.2, 0.3  # By how much heights differ; the share of cells from which rows are formulas.
BLANK = 0.55  # Heights of a line between two columns.
SPLIT = 0.55  # Heights of a line between two words that are two cells.
CLOSE = 0.8  # Heights of a line between a row and what still belongs to it.
LONGEST_LINE = 60  # letters of a line of a cell
LONGEST_CELL = 45  # letters, on average
MOST_SINGLE = 2
MOST_HEADS = 3
Row = list[Piece]


@dataclass(frozen=True, slots=True)
class Table:
    """The rows from `start` to `end` (exclusive) as cells."""

    start: int
    end: int
    cells: list[list[str]]

    def markdown(self) -> str:
        """With the first row as its heading."""
        lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in self.cells]
        return "\n".join([lines[0], "|" + " --- |" * len(self.cells[0]), *lines[1:]])


def find(rows: Sequence[Row], size: float) -> Iterator[Table]:
    """The tables among the rows of one column of text; `size` is the height of a line."""
    width = max((each.x1 for row in rows for each in row), default=0.0) - min(
        (each.x0 for row in rows for each in row), default=0.0
    )
    split = [_split(row, size) for row in rows]
    place = 0
    while place < len(rows):
        end = _run(split, place, size, width)
        table = _table(split, place, end, size) if end - place >= 2 else None
        if table is None:
            place += 1
            continue
        yield table
        place = table.end


def _split(row: Row, size: float) -> Row:
    """The row with its figures apart, each with the sign of its currency."""
    found: Row = []
    for each in row:
        if len(each.words) > 1 and all(FIGURE.fullmatch(w.text) or CURRENCY.fullmatch(w.text) for w in each.words):
            found += [piece([word]) for word in each.words]
        else:
            found.append(each)
    joined: Row = []
    for each in found:
        if joined and _belong(joined[-1], each, size):
            joined[-1] = piece([*joined[-1].words, *each.words])
        else:
            joined.append(each)
    return joined


def _belong(left: Piece, right: Piece, size: float) -> bool:
    """Whether two pieces are a figure and its sign."""
    if CURRENCY.fullmatch(left.text) and FIGURE.fullmatch(right.text):
        return True
    return right.text in (")", "%", ")%", "€") and right.x0 - left.x1 < size


def _run(rows: Sequence[Row], start: int, size: float, width: float) -> int:
    """The end of the rows, from `start`, that may be one table: with cells side by side, and few others between."""
    if len(rows[start]) < 2 or _has_leader(rows[start]):
        return start
    end = start + 1
    single = 0
    for place in range(start + 1, len(rows)):
        if _top(rows[place]) - _bottom(rows[place - 1]) > FAR * size or _has_leader(rows[place]):
            break
        if len(rows[place]) > 1:
            single, end = 0, place + 1
            continue
        if _continues(rows[place][0], rows[start:end], size):
            end = place + 1 if place == end and _top(rows[place]) - _bottom(rows[end - 1]) < CLOSE * size else end
            continue
        single += 1
        if single > MOST_SINGLE or _is_prose(rows[place][0], width):
            break
    return end


def _has_leader(row: Row) -> bool:
    """Whether dots lead from a title to its page, as in a table of contents."""
    return any(LEADER.search(each.text) for each in row)


def _continues(each: Piece, rows: Sequence[Row], size: float) -> bool:
    """Whether a line of its own stands below a cell that is not the first of its row."""
    if len(each.text) > LONGEST_LINE:
        return False
    several = [row for row in rows if len(row) > 1]
    return any(abs(each.x0 - cell.x0) < 0.3 * size for row in several[-MOST_SINGLE:] for cell in row[1:])


def _is_prose(each: Piece, width: float) -> bool:
    return each.x1 - each.x0 > 0.7 * width and len(each.words) >= 8


def _top(row: Row) -> float:
    return min(each.y0 for each in row)


def _bottom(row: Row) -> float:
    return max(each.y1 for each in row)


def _table(rows: Sequence[Row], start: int, end: int, size: float) -> Table | None:
    """The longest table that begins in the row at `start`."""
    while end - start >= 2:
        columns = _columns(rows[start:end], size)
        if len(columns) >= 2 and _agree(rows[start:end], columns) and not _is_formula(rows[start:end]):
            first = _with_heads(rows, start, columns, size)
            cells = _cells(rows[first:end], columns, size)
            if _is_sound(cells):
                return Table(first, end, cells)
        end = _shorter(rows, start, end, size)
    return None


def _is_formula(rows: Sequence[Row]) -> bool:
    """Whether the rows are rather formulas, with signs of many sizes and their limits above and below."""
    cells = [each for row in rows for each in row]
    heights = sorted([each.height for each in cells])
    usual = heights[len(heights) // 2]
    uneven = sum(abs(height - usual) > UNEVEN * usual for height in heights)
    signs = sum(bool(SIGN.search(each.text)) for each in cells)
    return max(uneven, signs) > FORMULA * len(cells)


def _agree(rows: Sequence[Row], columns: Sequence[tuple[float, float]]) -> bool:
    """Whether hardly a row has two cells in one of the columns, as happens where two tables follow one another."""
    clashes = sum(len({_spanned(each, columns)[0] for each in row}) < len(row) for row in rows)
    return clashes <= CLASHES * sum(len(row) > 1 for row in rows)


def _shorter(rows: Sequence[Row], start: int, end: int, size: float) -> int:
    """An earlier end: before the widest gap if one stands out, else a quarter earlier."""
    gaps = [(_top(rows[place]) - _bottom(rows[place - 1]), place) for place in range(start + 1, end)]
    widest, place = max(gaps)
    if widest <= median(gap for gap, _ in gaps) + 0.4 * size:
        place = end - max(1, (end - start) // 4)
    while place > start and len(rows[place - 1]) < 2:
        place -= 1
    return place


def _columns(rows: Sequence[Row], size: float) -> list[tuple[float, float]]:
    """Where columns begin and end. Hardly a row crosses the blank strips between them; what stands over two columns
    in some rows is told apart where most of the rows have a strip."""
    edges: list[tuple[float, int]] = []
    several = [row for row in rows if len(row) > 1]
    for row in several:
        for each in row:
            edges += [(each.x0, 1), (each.x1, -1)]
    edges.sort()
    found: list[tuple[float, float]] = []
    narrow = _strips(edges, int(len(several) * CROSSED), size)
    for x0, x1 in _strips(edges, len(several) // 10, size):
        inside = [column for column in narrow if x0 <= column[0] and column[1] <= x1]
        found += _filled(inside, x0, x1) if len(inside) > 1 else [(x0, x1)]
    return found


def _filled(inside: list[tuple[float, float]], x0: float, x1: float) -> list[tuple[float, float]]:
    """The columns inside a wider one, which reach to its sides."""
    inside[0] = (x0, inside[0][1])
    inside[-1] = (inside[-1][0], x1)
    return inside


def _strips(edges: list[tuple[float, int]], crossing: int, size: float) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    covered = 0
    for x, step in edges:
        before, covered = covered, covered + step
        if before <= crossing < covered:
            if found and x - found[-1][1] < BLANK * size:
                begin, _ = found.pop()
                found.append((begin, x))
            else:
                found.append((x, x))
        elif covered <= crossing < before:
            found[-1] = (found[-1][0], x)
    return found


def _with_heads(rows: Sequence[Row], start: int, columns: Sequence[tuple[float, float]], size: float) -> int:
    """Where the table begins when the headings right above it, over its columns but the first, are counted in."""
    for _ in range(MOST_HEADS):
        if start == 0 or _top(rows[start]) - _bottom(rows[start - 1]) > size:
            return start
        row = rows[start - 1]
        if row[0].x0 <= columns[0][1] or row[-1].x1 > columns[-1][1] + 2 * size or len(row[0].text) > LONGEST_CELL:
            return start
        start -= 1
    return start


def _cells(rows: Sequence[Row], columns: Sequence[tuple[float, float]], size: float) -> list[list[str]]:
    heading = True
    grid: list[list[str]] = []
    places: list[float] = []
    for row in rows:
        cells = [""] * len(columns)
        spans = [_spanned(each, columns) for each in row]
        heading = heading and bool(spans) and spans[0][0] > 0
        if heading:
            spans = _grown(row, spans, columns, size)
        for each, (first, last) in zip(row, spans, strict=True):
            for column, text in _laid(each, first, last, columns, size, repeat=heading):
                cells[column] = f"{cells[column]} {text}".strip()
        grid.append(cells)
        places.append(sum(each.middle for each in row) / len(row))
    return _whole_rows(_raised(grid), places)


def _raised(grid: list[list[str]]) -> list[list[str]]:
    """Where some columns have one heading and others two, the one stands in the first row."""
    first, second = grid[0], grid[1]
    if first[0] or not second[0] or any(FIGURE.fullmatch(cell) for cell in second if cell):
        return grid
    for column, cell in enumerate(first):
        if not cell:
            first[column], second[column] = second[column], ""
    return grid


def _spanned(each: Piece, columns: Sequence[tuple[float, float]]) -> tuple[int, int]:
    """The first and the last column that a piece stands over; the nearest one if it stands over none."""
    left, right = each.x0, each.x1
    over = [place for place, (x0, x1) in enumerate(columns) if x0 < right and left < x1 and x0 < x1]
    if over and left < right:
        return over[0], over[-1]
    nearest = min(range(len(columns)), key=lambda place: abs(sum(columns[place]) / 2 - each.centre))
    return nearest, nearest


def _grown(
    row: Row, spans: list[tuple[int, int]], columns: Sequence[tuple[float, float]], size: float
) -> list[tuple[int, int]]:
    """Headings stand over the middle of the columns that they are for: spans as wide as that allows."""
    grown: list[tuple[int, int]] = []
    for place, (each, (first, last)) in enumerate(zip(row, spans, strict=True)):
        least = grown[-1][1] + 1 if grown else 1
        most = spans[place + 1][0] - 1 if place + 1 < len(spans) else len(columns) - 1
        choices = [
            (abs((columns[a][0] + columns[b][1]) / 2 - each.centre) - 0.2 * size * (b - a), a - b, a, b)
            for a in range(min(least, first), first + 1)
            for b in range(last, max(most, last) + 1)
        ]
        _, _, first, last = min(choices)
        grown.append((first, last))
    return grown


def _laid(
    each: Piece, first: int, last: int, columns: Sequence[tuple[float, float]], size: float, *, repeat: bool
) -> Iterator[tuple[int, str]]:
    """The text of a piece by column: cut where its own gaps agree with the columns' edges, else whole."""
    if first == last:
        yield first, each.text
        return
    shares: dict[int, list[Word]] = {}
    for word in each.words:
        begin, end = _spanned(piece([word]), columns)
        if begin != end:
            break
        shares.setdefault(begin, []).append(word)
    else:
        bounds = sorted((words[0].x0, words[-1].x1) for words in shares.values())
        if len(shares) == last - first + 1 and all(b[0] - a[1] >= SPLIT * size for a, b in itertools.pairwise(bounds)):
            yield from ((place, " ".join(word.text for word in words)) for place, words in shares.items())
            return
    for column in range(first, (last if repeat else first) + 1):
        yield column, each.text


def _whole_rows(grid: list[list[str]], places: list[float]) -> list[list[str]]:
    """Rows whose cells take several lines made whole: a line much nearer to a row than rows are apart belongs to it."""
    full = [place for place, cells in enumerate(grid) if sum(map(bool, cells)) * 2 >= len(cells)]
    if len(full) < 2:
        return grid
    pitch = median(places[b] - places[a] for a, b in itertools.pairwise(full))
    parts: list[list[int]] = []
    waiting: list[int] = []
    for place in range(len(grid)):
        above = places[place] - places[place - 1] if place else float("inf")
        below = places[place + 1] - places[place] if place + 1 < len(grid) else float("inf")
        if place in full:
            parts.append([*waiting, place])
            waiting = []
        elif not waiting and parts and above < NEAR * pitch and above <= 1.1 * below:
            parts[-1].append(place)
        elif below < NEAR * pitch:
            waiting.append(place)
        else:
            parts += [[each] for each in (*waiting, place)]
            waiting = []
    parts += [[each] for each in waiting]
    return [
        [" ".join(grid[part][column] for part in row if grid[part][column]) for column in range(len(grid[0]))]
        for row in parts
    ]


def _is_sound(cells: list[list[str]]) -> bool:
    """Whether the cells look like a table's, and not like a list, columns of prose, or labels with their values."""
    width, height = len(cells[0]), len(cells)
    filled = [cell for row in cells for cell in row if cell]
    if height < (3 if width == 2 else 2) or len(filled) < (0.4 if height > 2 else 0.85) * width * height:
        return False
    if sum(map(len, filled)) > LONGEST_CELL * len(filled):
        return False
    if sum(len(cell) == 1 and not cell.isdigit() for cell in filled) * 2 > len(filled):
        return False
    marks = [row[0] for row in cells if row[0]]
    if sum(bool(LIST_MARK.fullmatch(mark)) for mark in marks) * 2 > len(marks):
        return False
    if width > 2:
        return True
    figures = sum(bool(FIGURE.fullmatch(row[1])) for row in cells)
    return figures * 2 > height and not any(row[0].endswith(":") for row in cells)
