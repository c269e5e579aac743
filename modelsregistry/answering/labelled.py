"""Answers with a labelled value: the total, a date, a number, the seller or the buyer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from modelsregistry.contract import Passage

from .fields import Candidate, candidates, context_label, first_values
from .layout import Line
from .names import issuer, recipient
from .questions import Question, Type
from .replies import Reply, evidence, quote
from .totals import ranked_totals
from .values import Value, vague_dates

_STAND_IN = 45
_TOP_LINES = 80
_UNLABELLED = {"date": 0.5, "email": 0.8, "website": 0.8, "phone": 0.6, "iban": 0.8}


def answer_field(question: Question, lines: Sequence[Line]) -> Reply | None:
    """The value of the field that the question names; None where the document has no such label."""
    field = question.field
    if field is None:
        return None
    total = field.name == "total"
    found = ranked_totals(lines) if total else _ranked(field.kind, candidates(field, lines))
    ranked = [candidate for candidate in found if candidate.grade > 0]
    weak = not ranked or (field.name == "date" and ranked[0].grade < 60)
    if weak and field.name in _UNLABELLED and (bare := _unlabelled(field.kind, lines, _UNLABELLED[field.name])):
        return bare
    return _reply(ranked[0], len(ranked)) if ranked else None


def _ranked(kind: str, found: Sequence[Candidate]) -> list[Candidate]:
    """Best label first; among equals sums count from the end of the document, everything else from its beginning."""
    if kind == "amount":
        certain = [candidate for candidate in found if candidate.value.sure]
        found = (certain or list(found))[::-1]
    if kind == "date" and any(candidate.value.sure for candidate in found):
        found = [candidate for candidate in found if candidate.value.sure]
    return sorted(found, key=lambda candidate: -candidate.grade)


def _reply(best: Candidate, count: int) -> Reply:
    text = quote(best.text, best.line.page.number)
    if best.grade < _STAND_IN:
        text = f"{quote(best.text, best.line.page.number)[:-1]}, labelled “{context_label(best)}”)"
    passage = evidence(best.line, best.value.start, best.value.end, best.label_line)
    score = round(min(max(best.grade, 5.0), 100.0) / 100, 3)
    return Reply(text, (Passage(best.line.page.number, passage, score),), count)


def _unlabelled(kind: str, lines: Sequence[Line], score: float) -> Reply | None:
    """A value whose form alone tells what it is; on invoices and letters the first is the one that counts."""
    found = next(first_values(kind, lines, _TOP_LINES), None)
    if found is None and kind == "date":
        found = next(_vague_days(lines[:_TOP_LINES]), None)
    if found is None:
        return None
    line, value = found
    text = quote(line.text[value.start : value.end], line.page.number)
    return Reply(text, (Passage(line.page.number, evidence(line, value.start, value.end), score),), 1)


def _vague_days(lines: Sequence[Line]) -> Iterator[tuple[Line, Value]]:
    """Days without separators, `27032018`, and months, `May 2014`; a bare year is not the date of a document."""
    for line in lines:
        for value in vague_dates(line.text):
            if value.end - value.start > len("2018"):
                yield line, value


def answer_party(question: Question, lines: Sequence[Line]) -> Reply | None:
    """The company that a document is from, or the customer that it is for."""
    found = issuer(lines) if question.type is Type.ISSUER else recipient(lines)
    if found is None:
        return None
    line, start, end = found
    text = quote(line.text[start:end], line.page.number)
    return Reply(text, (Passage(line.page.number, evidence(line, start, end), 0.7),), 1)
