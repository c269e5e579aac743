"""Answers one prompt about one document: each part by the way that fits its type, with the passages it rests on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from modelsregistry.contract import Passage, SourcePage

from .labelled import answer_field, answer_party
from .layout import Line, lines_of, squeeze, units_of
from .passages import Index
from .prose import answer_prose
from .questions import Question, Type, parse
from .replies import Reply, clean, quote
from .summary import central, tells

NOT_FOUND = "The document does not say."
NO_TEXT = (
    "The document holds no text that can be read, so there is nothing to answer from. "
    "A picture without text needs a model with vision; a scan needs text recognition."
)
_SUMMARY_SENTENCES = 6
_FEW_SENTENCES = 12
_FACTS = "company\ninvoice number\ndate\ntotal"


@dataclass(frozen=True, slots=True)
class Answer:
    """`text` with its evidence; `type` names the question types answered; `candidates` counts what was weighed."""

    text: str
    passages: tuple[Passage, ...]
    type: str
    candidates: int


class Reader:
    """The document with what has been derived from it so far, so that several parts share the work.

    `check` is called between steps and raises when the time is over.
    """

    def __init__(self, pages: Sequence[SourcePage], check: Callable[[], None]) -> None:
        self.pages = tuple(page for page in pages if page.text.strip())
        self.check = check
        self._indexes: dict[int | None, Index] = {}

    def index(self, page: int | None) -> Index:
        if page not in self._indexes:
            self.check()
            self._indexes[page] = Index(units_of(self.on(page)), self.check)
        return self._indexes[page]

    def on(self, page: int | None) -> tuple[SourcePage, ...]:
        return self.pages if page is None else tuple(entry for entry in self.pages if entry.number == page)


def answer(prompt: str, pages: Sequence[SourcePage], check: Callable[[], None]) -> Answer:
    """Find the answer to `prompt` in `pages`; where nothing fits, say so and cite nothing."""
    return answers(Reader(pages, check), prompt)


def answers(reader: Reader, prompt: str) -> Answer:
    """The same of a document that may be asked more than once."""
    questions = parse(prompt)
    types = "+".join(dict.fromkeys(str(question.type) for question in questions))
    if not reader.pages:
        return Answer(NO_TEXT, (), types, 0)
    replies = [_reply(question, reader) for question in questions]
    if len(replies) == 1 or not any(reply.found for reply in replies):
        text = replies[0].text
    else:
        parts = zip(questions, replies, strict=True)
        text = "\n".join(f"{_caption(question)}: {reply.text}" for question, reply in parts)
    passages = tuple(dict.fromkeys(passage for reply in replies for passage in reply.passages))
    return Answer(text, passages, types, sum(reply.candidates for reply in replies))


def _reply(question: Question, reader: Reader) -> Reply:
    reader.check()
    pages = reader.on(question.page)
    if not pages:
        return Reply(NOT_FOUND)
    if question.type is Type.READING:
        return _reading(pages)
    if question.type is Type.SUMMARY:
        return _summary(question, reader)
    lines = [line for page in pages for line in lines_of(page)]
    return _labelled(question, lines) or answer_prose(question, reader.index(question.page), lines) or Reply(NOT_FOUND)


def _labelled(question: Question, lines: Sequence[Line]) -> Reply | None:
    if question.type is Type.FIELD:
        return answer_field(question, lines)
    return answer_party(question, lines) if question.type in (Type.ISSUER, Type.RECIPIENT) else None


def _caption(question: Question) -> str:
    return question.field.name.capitalize() if question.field else squeeze(question.text).rstrip(" ?.:").capitalize()


def _reading(pages: Sequence[SourcePage]) -> Reply:
    """The text itself, its pages named unless the first is all there is."""
    if len(pages) == 1 and pages[0].number == 1:
        return Reply(pages[0].text.strip())
    text = "\n\n".join(f"[Page {page.number}]\n\n{page.text.strip()}" for page in pages)
    return Reply(text, candidates=len(pages))


def _summary(question: Question, reader: Reader) -> Reply:
    """The central sentences; of an invoice or a receipt, which has none, its usual fields; else how it begins."""
    index = reader.index(question.page)
    telling = sum(1 for unit in index.units if tells(unit))
    if telling < _FEW_SENTENCES and (facts := _facts(reader.on(question.page))):
        return facts
    chosen = central(index, _SUMMARY_SENTENCES) if telling > 2 else []
    if not chosen:
        chosen = [(position, 1.0) for position in range(min(len(index.units), _SUMMARY_SENTENCES))]
    if not chosen:
        return Reply(NOT_FOUND)
    units = [(index.units[position], score) for position, score in chosen]
    text = "\n".join(f"- {quote(clean(unit), unit.page.number)}" for unit, _ in units)
    passages = tuple(Passage(unit.page.number, squeeze(unit.text), round(score, 3)) for unit, score in units)
    return Reply(text, passages, telling)


def _facts(pages: Sequence[SourcePage]) -> Reply | None:
    """Who, number, date and total of a document that has at least a total and one of the others."""
    lines = [line for page in pages for line in lines_of(page)]
    found = {question.text: _labelled(question, lines) for question in parse(_FACTS)}
    replies = {name: reply for name, reply in found.items() if reply}
    if "total" not in replies or len(replies) < 2:
        return None
    text = "\n".join(f"- {name.capitalize()}: {reply.text}" for name, reply in replies.items())
    passages = tuple(dict.fromkeys(passage for reply in replies.values() for passage in reply.passages))
    return Reply(text, passages, len(replies))
