"""What an answer rests on: passages that stand verbatim on a page of the document, and nothing else.

A model that names its passages is checked. For one that does not, the passages are looked for: what it quotes, and for
each of its sentences the line or sentence of the document that holds the same figures, names and rare words.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from modelsregistry.answering.values import parse_number
from modelsregistry.answering.words import STOP_WORDS, fold, stem
from modelsregistry.contract import GenerationResult, Passage, SourcePage

MAX_CITATIONS = 10
MAX_STATEMENTS = 60  # of an answer that are looked for
_LONGEST_UNIT = 300  # characters; a longer line is cited sentence by sentence
_SHORTEST_QUOTE = 12
_LEAST_SCORE = 0.5
_FIGURE_COUNTS = 2.0  # as much as so many words
_PAGE_NAMED_COUNTS = 0.1

_SPACE = re.compile(r"\s+")
# Possessive: a page of empty lines after a hyphen must not be tried from each of them.
_HYPHENATED = re.compile(r"(?<=\w)(?:\u00ad|-)[^\S\n]*+\n\s*+(?=[a-z\u00df-\u00ff])|\u00ad")
_MARKUP = re.compile(r"^[ \t]*(?:#{1,6}[ \t]+|[-*+•][ \t]+|>[ \t]?)|^[ \t|:-]+$|(?<!\\)\||\*\*|__", re.MULTILINE)
_WORD = re.compile(r"\d[\d.,'\u2019\u00a0]*\d|\d|[^\W\d_][\w'’-]*")
_STATEMENT = re.compile(r"(?<=[.!?;:])\s+|\n+")
_QUOTED = re.compile(r"[“\"«„]([^“”\"«»„]{%d,600})[”\"»“]" % _SHORTEST_QUOTE)  # noqa: UP031 - braces of its own
_PAGE_NAMED = re.compile(r"\b(?:page|p\.|seite|pagina|página)\s*(\d{1,5})", re.IGNORECASE)
_SAME = str.maketrans("“”„«»‘’‚–—\u00a0", '"""""\'\'\'-- ')


def citations(answer: GenerationResult, pages: Iterable[SourcePage], question: str = "") -> list[dict[str, Any]]:
    """The evidence for the answer as the API shows it: `page`, `text`, `score` (0.0–1.0), best first. `text` is the
    page's, without Markdown's marks and with single spaces."""
    by_number: dict[int, list[SourcePage]] = defaultdict(list)
    for page in pages:
        by_number[page.number].append(page)
    if answer.passages is None:
        found = _looked_for(answer.text, question, [page for same in by_number.values() for page in same])
    else:
        found = [p for p in answer.passages if any(stands_on(p.text, page.text) for page in by_number[p.page])]
    return [{"page": p.page, "text": plain(p.text), "score": round(p.score, 3)} for p in found[:MAX_CITATIONS]]


def stands_on(passage: str, page_text: str) -> bool:
    """Whether the passage is on the page word for word; white space, hyphenation, the forms of quotation marks and
    Markdown's own marks aside."""
    wanted = plain(passage).translate(_SAME)
    return bool(wanted) and wanted in plain(page_text).translate(_SAME)


def plain(text: str) -> str:
    """The text without Markdown's marks, words joined that were parted at a line's end, on one line."""
    return _SPACE.sub(" ", _MARKUP.sub(" ", _HYPHENATED.sub("", text))).strip()


@dataclass(frozen=True, slots=True)
class _Unit:
    page: int
    text: str
    words: frozenset[str]


def _looked_for(answer: str, question: str, pages: Sequence[SourcePage]) -> list[Passage]:
    units = [unit for page in pages for unit in _units(page)]
    plain_pages = [(page.number, plain(page.text).translate(_SAME)) for page in pages]
    quoted = [passage for quote in _QUOTED.findall(answer)[:MAX_STATEMENTS] for passage in _quoted(quote, plain_pages)]
    search = _Search(units, _words(question))
    best: dict[tuple[int, str], Passage] = {(each.page, each.text): each for each in quoted}
    for statement in [part for part in _STATEMENT.split(answer) if part.strip()][:MAX_STATEMENTS]:
        found = search.best(statement)
        if found is not None:
            key = (found.page, plain(found.text))
            if key not in best or best[key].score < found.score:
                best[key] = found
    return sorted(best.values(), key=lambda passage: -passage.score)


def _quoted(quote: str, plain_pages: Sequence[tuple[int, str]]) -> Iterator[Passage]:
    """The first page on which a quotation stands, if one does."""
    wanted = plain(quote).translate(_SAME)
    for number, text in plain_pages:
        if wanted and wanted in text:
            yield Passage(number, quote, 1.0)
            return


def _units(page: SourcePage) -> Iterator[_Unit]:
    for line in _HYPHENATED.sub("", page.text).splitlines():
        parts = _STATEMENT.split(line) if len(line) > _LONGEST_UNIT else [line]
        for part in parts:
            text = plain(part)
            words = frozenset(_words(text))
            if words:
                yield _Unit(page.number, text, words)


class _Search:
    """The lines of a document, to be asked which of them a statement rests on."""

    def __init__(self, units: Sequence[_Unit], asked: Iterable[str]) -> None:
        self._units = units
        self._asked = frozenset(asked)
        self._where: dict[str, list[int]] = defaultdict(list)
        for index, unit in enumerate(units):
            for word in unit.words:
                self._where[word].append(index)

    def best(self, statement: str) -> Passage | None:
        """The line that shares the most with it, a figure or two rare words at least; None where none does."""
        said = frozenset(_words(statement))
        known = {word for word in said if word in self._where}
        if not known:
            return None
        shared: Counter[int] = Counter()
        for word in known:
            weight = self._weight(word)
            for index in self._where[word]:
                shared[index] += weight  # type: ignore[assignment]  # Counter adds floats as well
        named = {int(number) for number in _PAGE_NAMED.findall(statement)}
        whole = sum(self._weight(word) for word in said)
        ranked = sorted(
            ((self._score(index, weight, whole, said, named), -index) for index, weight in shared.most_common(50)),
            reverse=True,
        )
        score, index = ranked[0]
        unit = self._units[-index]
        if score < _LEAST_SCORE or not self._tells(unit.words & said):
            return None
        return Passage(unit.page, unit.text, min(1.0, score))

    def _score(self, index: int, shared: float, whole: float, said: frozenset[str], named: set[int]) -> float:
        """How much of the statement the line holds, and of the line the statement; what was asked for, and a page that
        the statement names, decide between equals."""
        unit = self._units[index]
        own = sum(self._weight(word) for word in unit.words)
        score = 0.65 * shared / whole + 0.35 * shared / own
        if self._asked:
            score += 0.1 * len(unit.words & (self._asked - said)) / len(self._asked)
        return score + (_PAGE_NAMED_COUNTS if unit.page in named else 0.0)

    def _weight(self, word: str) -> float:
        """Inverse document frequency, figures counting more; a word that the document lacks weighs the most."""
        rarity = math.log(1 + (len(self._units) + 1) / (len(self._where.get(word, ())) + 0.5))
        return rarity * (_FIGURE_COUNTS if word[0].isdigit() else 1.0)

    def _tells(self, shared: frozenset[str]) -> bool:
        return len(shared) >= 2 or any(word[0].isdigit() and len(word) > 1 for word in shared)


def _words(text: str) -> Iterator[str]:
    """The words that carry meaning, without their inflections; figures by their value, however they are written."""
    for word in _WORD.findall(fold(text)):
        if word[0].isdigit():
            yield _figure(word)
        elif len(word) > 2 and word not in STOP_WORDS:
            yield stem(word)


def _figure(written: str) -> str:
    try:
        return f"{parse_number(written).normalize():f}"
    except ArithmeticError:
        return written
