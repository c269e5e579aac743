"""Finds labelled values: the amount beside `Total`, the date under `Rechnungsdatum`, the cell in a table's column."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .layout import Line
from .lexicon import FieldName
from .values import Value, of_kind, vague_dates
from .words import fold


@dataclass(frozen=True, slots=True)
class Candidate:
    """A value that may be the field asked for: where it stands, the label that says so, and how good the label is."""

    line: Line
    value: Value
    label: str
    grade: float
    label_line: Line

    @property
    def text(self) -> str:
        return self.line.text[self.value.start : self.value.end]


def candidates(field: FieldName, lines: Sequence[Line]) -> list[Candidate]:
    """Every value of the field's kind that a label of the field claims, in reading order. Linear in the lines."""
    found: list[Candidate] = []
    for index in _near_values(lines):
        line = lines[index]
        if not field.mentioned(line.folded):
            continue
        here = list(_on_line(field, line))
        found.extend(here)
        if not here or max(candidate.grade for candidate in here) < field.grade(line.folded) * 0.6:
            found.extend(_elsewhere(field, lines, index))
    return found


_SIGN_OF_VALUE = re.compile(r"[\d@|:]")


def _near_values(lines: Sequence[Line]) -> list[int]:
    """The lines that hold a sign of a value, or stand next to one: spares running text the search for labels."""
    near: dict[int, None] = {}
    for index, line in enumerate(lines):
        if _SIGN_OF_VALUE.search(line.text) or "www" in line.folded:
            near.update(dict.fromkeys(range(max(0, index - 2), min(len(lines), index + 2))))
    return list(near)


def _on_line(field: FieldName, line: Line) -> Iterator[Candidate]:
    """Values to the right of their label; several in a row without words between share the label."""
    label, last = "", 0
    values = _values(field.kind, line)
    for position, value in enumerate(values):
        between = line.folded[last : value.start]
        if re.search(r"[^\W\d_]{2,}|[^\W\d_]\.", _without_currency(between)) or not label:
            label = between
        last = value.end
        grade = field.grade(label)
        if not grade:
            continue
        row = [other for other in values[position + 1 :] if _same_run(line.folded[value.end : other.start])]
        follows = len(row)
        yield Candidate(line, value, label.strip(" :|.-"), grade - _run_penalty(field.kind, follows, label), line)


def _values(kind: str, line: Line) -> list[Value]:
    values = of_kind(kind, line.text)
    if kind == "date" and not values:
        values = vague_dates(line.text)
    if kind != "amount":
        return values
    sure = [value for value in values if value.sure]
    return sure or values[-1:]


def _same_run(between: str) -> bool:
    return not re.search(r"[^\W\d_]{2,}", _without_currency(between))


def _run_penalty(kind: str, follows: int, label: str) -> float:
    """In a row of figures the total is the last; of dates and numbers the first after the label is meant."""
    return 3.0 * follows if kind == "amount" else 0.0 if label else 5.0


_CURRENCY_WORD = re.compile(r"\b(?:rm|myr|eur|usd|gbp|inr|chf|pln|rs|dh|mad|ttc)\b")


def _without_currency(text: str) -> str:
    return _CURRENCY_WORD.sub(" ", text)


def _elsewhere(field: FieldName, lines: Sequence[Line], index: int) -> Iterator[Candidate]:
    """The value of a label that stands alone: its column, its counterpart in a run of labels, or the lines below."""
    line = lines[index]
    if line.cells:
        yield from _in_column(field, lines, index)
        return
    if len(line.folded.split()) > 12:
        return
    for distance, other in _counterparts(lines, index):
        values = _values(field.kind, other)
        if not values or (field.kind == "identifier" and not _of_codes(other)):
            continue
        value, grade = _under(field, line.folded, values)
        if grade:
            yield Candidate(other, value, line.folded.strip(" :"), grade * (0.95 - 0.05 * distance), line)


def _under(field: FieldName, header: str, values: list[Value]) -> tuple[Value, float]:
    """Which of the values the words above them claim, and how well.

    As many headings as values pair one to one; where blanks do not part the headings, the first words belong to the
    first value and the last words to the last.
    """
    segments = [segment for segment in _HEADINGS.split(header) if segment.strip()]
    if len(segments) == len(values) > 1:
        grades = [field.grade(segment) for segment in segments]
        best = max(range(len(values)), key=lambda position: grades[position])
        return values[best], grades[best]
    words = header.split()
    if len(words) <= 2 or len(values) == 1:
        sure = 1.0 if len(words) <= 4 else 0.85
        return values[-1 if field.kind == "amount" else 0], field.grade(header) * sure
    first = _end_grade(field, [(words[:count], words[1:count]) for count in (1, 2, 3)])
    last = _end_grade(field, [(words[-count:], words[-count:-1]) for count in (1, 2, 3)])
    return (values[-1], last * 0.85) if last >= first else (values[0], first * 0.85)


def _end_grade(field: FieldName, ends: list[tuple[list[str], list[str]]]) -> float:
    """The grade of the words at an end of a line, where the outermost word has a part in it."""
    grades = [(field.grade(" ".join(words)), field.grade(" ".join(without))) for words, without in ends]
    return max((grade for grade, inner in grades if grade > inner), default=0)


_HEADINGS = re.compile(r":\s*|\s{2,}|\t")


def _of_codes(line: Line) -> bool:
    """Whether a line is nothing but numbers and codes: a house number is an identifier by its form alone."""
    return not any(len(word) > 2 and word.isalpha() for word in re.split(r"[\s.,:;#()]+", line.text))


def _in_column(field: FieldName, lines: Sequence[Line], index: int) -> Iterator[Candidate]:
    header = lines[index]
    for column, (start, end) in enumerate(header.cells):
        label = header.folded[start:end]
        grade = field.grade(label)
        if not grade:
            continue
        for row in lines[index + 1 : index + 60]:
            if column >= len(row.cells) or row.page is not header.page:
                break
            left, right = row.cells[column]
            inside = [value for value in _values(field.kind, row) if left <= value.start and value.end <= right]
            if inside:
                yield Candidate(row, inside[0], label.strip(), grade * 0.9, header)


def _counterparts(lines: Sequence[Line], index: int) -> Iterator[tuple[int, Line]]:
    """Lines that may hold the value of a label line, nearest reading first.

    Text layers often give a block of labels and a block of values one after the other: the k-th of n labels then
    belongs to the k-th of the n lines before or after the block.
    """
    first = last = index
    while first > 0 and _is_label(lines[first - 1]) and index - first < 12:
        first -= 1
    while last + 1 < len(lines) and _is_label(lines[last + 1]) and last - index < 12:
        last += 1
    count = last - first + 1
    if count == 1:
        places = [(0, index + 1), (1, index + 2), (4, index - 1)]
    else:
        places = [(0, index + count), (1, index - count), (3, last + 1)]
    for distance, place in places:
        if 0 <= place < len(lines) and lines[place].page is lines[index].page and not _is_label(lines[place]):
            yield distance, lines[place]


def _is_label(line: Line) -> bool:
    text = line.text.strip()
    return text.endswith(":") and len(text) < 40


def context_label(candidate: Candidate) -> str:
    """The label as the document writes it, for an answer that has to say which stand-in it took."""
    text = candidate.label_line.text
    place = fold(text).find(candidate.label)
    return " ".join(text[place : place + len(candidate.label)].split(" ")) if place >= 0 else text.strip()


def first_values(kind: str, lines: Sequence[Line], limit: int) -> Iterator[tuple[Line, Value]]:
    """Values of a kind without any label, in reading order, from the first `limit` lines."""
    for line in lines[:limit]:
        for value in of_kind(kind, line.text):
            yield line, value
