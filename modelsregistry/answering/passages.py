"""Ranks the units of a document against a question by BM25 and by how much of the question each one covers."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .layout import Kind, Unit
from .names import LEGAL_FORMS
from .questions import Question, Type
from .synonyms import related
from .values import dates, of_kind, vague_dates
from .words import fold, stem, terms

_SHORTLIST = 60
FITS = 0.55
"""The least share of a question's weight that a unit, its heading and its neighbours must cover to be an answer."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A unit that fits: `index` in the list of units, `coverage` of the question 0.0–1.0, `rank` to compare by."""

    index: int
    coverage: float
    rank: float


class Index:
    """The units of one document, ready to be searched; building it is linear in the text."""

    def __init__(self, units: Sequence[Unit], check: Callable[[], None]) -> None:
        self.units = units
        self.words: list[list[str]] = []
        for position, unit in enumerate(units):
            if position % 500 == 0:
                check()
            self.words.append(terms(unit.text))
        self._frequency: Counter[str] = Counter()
        for words in self.words:
            self._frequency.update(set(words))

    @cached_property
    def _scorer(self) -> Any:
        import bm25s  # 0.3 s with numpy: not for processes that never answer

        scorer = bm25s.BM25(method="lucene")
        scorer.index(self.words, show_progress=False)
        return scorer

    def weight(self, word: str) -> float:
        """Inverse document frequency; words that the document does not know weigh the most."""
        return math.log(1 + (len(self.units) + 1) / (self._frequency[word] + 0.5))

    def search(self, question: Question) -> list[Hit]:
        """The units that cover enough of the question, best first."""
        wanted = _weights(question, self.weight)
        known = {word: [other for other in (word, *related(word)) if other in self._frequency] for word in wanted}
        query = [other for others in known.values() for other in others]
        if not query:
            return []
        scores = self._scorer.get_scores(query)
        order = sorted(range(len(scores)), key=lambda position: -scores[position])[:_SHORTLIST]
        best = float(scores[order[0]]) or 1.0
        hits = [self._hit(position, float(scores[position]) / best, question, wanted) for position in order]
        fitting = [hit for hit in hits if hit.coverage >= FITS and scores[hit.index] > 0]
        return sorted(fitting, key=lambda hit: (-hit.rank, hit.index))

    def _hit(self, position: int, score: float, question: Question, wanted: dict[str, float]) -> Hit:
        unit = self.units[position]
        own = set(self.words[position])
        around: set[str] = set()
        if unit.heading is not None:
            around.update(self.words[unit.heading])
        for neighbour in (position - 1, position + 1):
            if 0 <= neighbour < len(self.units) and self.units[neighbour].page is unit.page:
                around.update(self.words[neighbour])
        covered = sum(weight * _share(word, own, around) for word, weight in wanted.items())
        coverage = covered / sum(wanted.values())
        echo = 0.4 if own <= wanted.keys() else 0.0
        rank = coverage + 0.5 * score + _bonus(question, unit) - echo
        return Hit(position, min(coverage, 1.0), rank)


_ASKING = {
    Type.AMOUNT: "price cost amount sum value total charge",
    Type.DATE: "date day year time month",
    Type.PERCENT: "rate percent percentage",
    Type.COUNT: "number total count",
    Type.PERSON: "name person",
    Type.PLACE: "address location located",
    Type.LIST: "list item type kind different various main",
}
_VAGUE = "use used make made get kind type happen work called main exactly"


def _weights(question: Question, weight: Callable[[str], float]) -> dict[str, float]:
    """What each word of the question counts; words that only say what kind of answer is wanted count little."""
    asking = {stem(word) for word in f"{_ASKING.get(question.type, '')} {_VAGUE}".split()}
    return {word: weight(word) * (0.25 if word in asking else 1.0) for word in question.terms}


def _share(word: str, own: set[str], around: set[str]) -> float:
    if word in own:
        return 1.0
    similar = related(word)
    if any(other in own for other in similar):
        return 0.9
    return 0.6 if word in around else 0.5 if any(other in around for other in similar) else 0.0


_NAMED = re.compile(r"(?<![.!?]\s)(?<!^)\b[^\W\d_a-z][^\W\d_]+(?:\s+[^\W\d_a-z][\w.]*)+")
_PLACE = re.compile(
    r"\b(?:street|st\.|road|avenue|building|floor|city|located|based|headquarter\w*|office|room|strasse|rue|jalan)\b|\b\d{5,6}\b"
)
_VERB_OF_DEFINITION = re.compile(
    r"\b(?:is|are|means?|refers? to|denotes?|defined as|stands for|describes?|ist|sind|bedeutet|est|sont|zijn)\b|:"
)


_LEADERS = re.compile(r"(?:\.\s?){4,}|…\s?…|_{4,}")
"""The dots of a table of contents and the blanks of a form."""


def _bonus(question: Question, unit: Unit) -> float:
    """What the form of a unit says about its fitness for the type of question."""
    text = unit.text
    bonus = -0.35 if unit.kind is Kind.HEADING else 0.0
    if len(text) < 15:
        bonus -= 0.15
    if _LEADERS.search(text):
        bonus -= 0.5
    form = _FORM.get(question.type)
    return bonus + (form(question, text) if form else 0.0)


def is_place(text: str) -> bool:
    """Whether `text` may name a place: a word of addresses or a postal code."""
    return _PLACE.search(fold(text)) is not None


def _has(kind: str) -> Callable[[Question, str], float]:
    return lambda _question, text: 0.35 if of_kind(kind, text) else 0.0


def _has_money(_question: Question, text: str) -> float:
    return 0.35 if any(value.sure for value in of_kind("amount", text)) else 0.0


def _has_date(_question: Question, text: str) -> float:
    return 0.35 if dates(text) else 0.25 if vague_dates(text) else 0.0


def _has_name(_question: Question, text: str) -> float:
    return 0.2 if _NAMED.search(text) or LEGAL_FORMS.search(fold(text)) else 0.0


def _defines(question: Question, text: str) -> float:
    """`X is …`, `X means …`, `X (…)`, `X: …` with the subject at the beginning."""
    head = fold(text)[:160]
    subject = [word for word in question.terms if word in terms(head[:80])]
    verb = _VERB_OF_DEFINITION.search(head)
    return 0.35 if subject and verb and verb.start() < 90 else 0.0


_FORM: dict[Type, Callable[[Question, str], float]] = {
    Type.AMOUNT: _has_money,
    Type.DATE: _has_date,
    Type.PERCENT: _has("percent"),
    Type.COUNT: _has("count"),
    Type.PERSON: _has_name,
    Type.PLACE: lambda _question, text: 0.2 if is_place(text) else 0.0,
    Type.DEFINITION: _defines,
}
