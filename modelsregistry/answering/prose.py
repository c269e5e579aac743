"""Answers out of running text and tables: the value in the best row, or the sentence, definition or list that fits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise, takewhile

from modelsregistry.contract import Passage

from .layout import Kind, Line, Unit, squeeze
from .passages import Hit, Index, is_place
from .questions import Question, Type
from .replies import LONGEST_PASSAGE, Reply, clean, quote
from .synonyms import related
from .tables import answer_cell
from .values import Value, of_kind, vague_dates
from .words import stem, terms, tokens

_VALUE_KINDS = {Type.AMOUNT: "amount", Type.DATE: "date", Type.PERCENT: "percent", Type.COUNT: "count"}
_MOST_ITEMS = 25
_CLOSE = 0.92
_BESIDE = 35
_COUNTING = frozenset({stem("number"), stem("total"), stem("count"), stem("different")})


def answer_prose(question: Question, index: Index, lines: Sequence[Line]) -> Reply | None:
    """The best passage for the question, None where no passage covers enough of it."""
    labelled = _own_label(question, lines) or answer_cell(question, lines)
    if labelled is not None:
        return labelled
    hits = index.search(question)
    if not hits:
        return None
    kind = _VALUE_KINDS.get(question.type)
    if question.type is Type.PLACE:
        hits = [hit for hit in hits if is_place(index.units[hit.index].text)]
        if not hits:
            return None
    if kind is not None:
        return _value(question, kind, index, hits)
    if found := _list(index, hits[: 3 if question.type is Type.LIST else 1], len(hits)):
        return found
    return _passage(question, index, hits)


_VALUE_OR_LABEL = 80
_LABEL = re.compile(r"\s*[|*_#-]*\s*([^:|]{2,60}?)\s*[*_]*\s*[:|]\s*[*_]*\s*(\S.*)$")


def _own_label(question: Question, lines: Sequence[Line]) -> Reply | None:
    """`Payment mode: cash` answers `What is the payment mode?`: the label is the question's words and no more."""
    if not 0 < len(question.label) < 6:
        return None
    for line, following in pairwise([*lines, None]):
        if line is None or len(line.text) > LONGEST_PASSAGE:
            continue
        match = _LABEL.match(line.text)
        if match and _names(match[1], question):
            value = match[2].split("|")[0].strip(" *_")
            if value:
                page = line.page.number
                return Reply(quote(value, page), (Passage(page, squeeze(line.text), 0.95),), 1)
        elif following and not match and _names(line.text, question) and (found := _below(question, line, following)):
            return found
    return None


def _names(label: str, question: Question) -> bool:
    return len(label) < _VALUE_OR_LABEL and frozenset(tokens(label)) == question.label


def _below(question: Question, line: Line, following: Line) -> Reply | None:
    """The short line under a line that is nothing but the label."""
    kind = _VALUE_KINDS.get(question.type)
    short = len(following.text) < _VALUE_OR_LABEL and following.page is line.page and not following.cells
    if not short or following.text.rstrip().endswith(":") or (kind and not of_kind(kind, following.text)):
        return None
    page = line.page.number
    return Reply(
        quote(following.text, page), (Passage(page, squeeze(line.page.text[line.start : following.end]), 0.9),), 1
    )


def _value(question: Question, kind: str, index: Index, hits: Sequence[Hit]) -> Reply | None:
    """The value in the best unit that has one, as near as possible to the question's words."""
    for hit in hits[:5]:
        if hit.rank < hits[0].rank - 0.45:
            break
        unit = index.units[hit.index]
        values = [value for value in of_kind(kind, unit.text) if value.sure or kind != "amount"]
        if not values and kind == "date":
            values = vague_dates(unit.text)
        if question.type is Type.COUNT:
            values = [value for value in values if _counts(question, unit.text, value)]
        if values:
            value = (
                _from_row(unit, values) if len(values) > 2 and kind == "amount" else _nearest(question, unit, values)
            )
            text = quote(unit.text[value.start : value.end], unit.page.number)
            return Reply(text, (_evidence(unit, hit),), len(hits))
    return None


def _counts(question: Question, text: str, value: Value) -> bool:
    """Whether the thing counted, the first word of the question that says anything, stands beside the number."""
    beside = text[max(0, value.start - _BESIDE) : value.end + _BESIDE]
    counted = next((word for word in question.terms if word not in _COUNTING), None)
    return counted is None or not {counted, *related(counted)}.isdisjoint(terms(beside))


def _from_row(unit: Unit, values: Sequence[Value]) -> Value:
    """Of a row's many figures the last that carries a currency, else the last: what the row comes to."""
    money = [value for value in values if unit.text[value.start : value.end].strip("-+.,0123456789 ")]
    return (money or values)[-1]


def _nearest(question: Question, unit: Unit, values: Sequence[Value]) -> Value:
    wanted = set(question.terms)
    places = [match.end() for match in re.finditer(r"[^\W_]+", unit.text) if set(terms(match.group())) & wanted]
    if not places:
        return values[-1]
    return min(values, key=lambda value: min(abs(value.start - place) + (value.start < place) * 3 for place in places))


def _run(index: Index, positions: Iterable[int], kind: Kind) -> Iterator[int]:
    return takewhile(lambda position: index.units[position].kind is kind, positions)


def _list(index: Index, hits: Sequence[Hit], candidates: int) -> Reply | None:
    """The items under the best heading or after the sentence that announces them."""
    for hit in hits:
        unit, start = index.units[hit.index], hit.index + 1
        if unit.kind is not Kind.HEADING and not unit.text.rstrip(" *_").endswith(":"):
            continue
        after = range(start, min(start + _MOST_ITEMS, len(index.units)))
        kind = index.units[start].kind if start < len(index.units) else Kind.SENTENCE
        if kind not in (Kind.ITEM, Kind.ROW):
            continue
        run = list(_run(index, after, kind))
        if len(run) > 1:
            return _quoted(index, [(position, hit.coverage) for position in run], candidates)
    return None


def _passage(question: Question, index: Index, hits: Sequence[Hit]) -> Reply | None:
    best = hits[0]
    unit = index.units[best.index]
    if unit.kind is Kind.HEADING:
        below = [
            position
            for position in range(best.index + 1, min(best.index + 4, len(index.units)))
            if index.units[position].heading == best.index
        ]
        if below:
            return _quoted(index, [(position, best.coverage) for position in below[:2]], len(hits))
    chosen = [(best.index, best.coverage)]
    if question.type in (Type.PASSAGE, Type.LIST, Type.DEFINITION):
        seen = {squeeze(unit.text)}
        for hit in hits[1:3]:
            text = squeeze(index.units[hit.index].text)
            if hit.rank >= best.rank * _CLOSE and text not in seen and index.units[hit.index].kind is not Kind.HEADING:
                chosen.append((hit.index, hit.coverage))
                seen.add(text)
    return _quoted(index, sorted(chosen), len(hits))


def _quoted(index: Index, chosen: Sequence[tuple[int, float]], candidates: int) -> Reply:
    units = [(index.units[position], score) for position, score in chosen]
    lead = "- " if len(units) > 1 else ""
    text = "\n".join(lead + quote(clean(unit), unit.page.number) for unit, _ in units)
    return Reply(text, tuple(_evidence(unit, Hit(0, score, 0)) for unit, score in units), candidates)


def _evidence(unit: Unit, hit: Hit) -> Passage:
    return Passage(unit.page.number, squeeze(unit.text), round(hit.coverage, 3))
