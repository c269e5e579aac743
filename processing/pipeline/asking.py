"""Asking a model about a document: in one question, or in one for each part and a last one over what was noted."""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from modelsregistry.contract import Attachment, GenerationRequest, GenerationResult, SourcePage, Usage
from modelsregistry.errors import ModelRejected
from modelsregistry.generation import Listener
from modelsregistry.registry import ModelEntry
from processing.errors import ModelFailed
from processing.pipeline import extent, prompt, schema
from processing.pipeline.cache import Found
from processing.pipeline.extent import Extent
from processing.pipeline.options import RequestOptions
from processing.runtime.parameters import Parameters

logger = logging.getLogger(__name__)

_SMALLER_TRIES = 3  # each with half the room, where a model says that it was given too much
_NOTED = 0.8  # of the asking is done when all parts are noted
_NOTHING = "NOTHING"
_NOTE = (
    "This is part {number} of {count} of one document. Note all in it that helps with the task below: in the words of "
    "the document, figures, names and dates exactly, each with the page it stands on. Do not carry out the task. Where "
    f"nothing helps, answer with the one word {_NOTHING}.\n\nThe task: {{task}}"
)
_OF_NOTES = (
    "What you are given as the document are notes on all parts of a longer one, in its order, each under the page that "
    "its part begins with. Answer as if you had read the document itself, and do not speak of notes."
)

_NOBODY = Listener()
Send = Callable[[GenerationRequest, Listener], Found[GenerationResult]]
Report = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of asking: the answer, with what all questions together took; whether all of it was in store; `context`
    is what the model was given, and `data` the answer as its schema wants it."""

    result: GenerationResult
    was_kept: bool
    context: dict[str, Any]
    data: Any = None


@dataclass(frozen=True, slots=True)
class Asking:
    """One task's way to its answer. `send` asks the model, `report` says how much of that is done (0.0–1.0), and the
    `listener` hears the answer itself: no notes on the way to it."""

    model: ModelEntry
    question: str
    options: RequestOptions
    parameters: Parameters
    deadline: float
    send: Send
    report: Report
    listener: Listener = _NOBODY

    def about(self, pages: tuple[SourcePage, ...], attachment: Attachment | None = None) -> Answered:
        """The answer. Raises `ModelError` and `ProcessingError`."""
        room = extent.room_for(self.model, self.question, self.options, self.parameters)
        if attachment is not None:
            try:
                return self._whole(pages, attachment)
            except ModelRejected as error:
                if error.code not in ("context_length_exceeded", "request_too_large"):
                    raise
                logger.info("document does not fit whole", extra={"model": self.model.id})
        for number in range(1, _SMALLER_TRIES + 1):
            given = extent.plan(pages, self.question, self.options, self.parameters, room)
            try:
                return self._asked(given)
            except ModelRejected as error:
                if error.code != "context_length_exceeded" or math.isinf(room) or number == _SMALLER_TRIES:
                    raise
                room = min(room, max(extent.cost(part) for part in given.parts)) / 2
                logger.info("model is given less", extra={"model": self.model.id, "room": room})
        raise AssertionError("unreachable")

    def _whole(self, pages: tuple[SourcePage, ...], attachment: Attachment) -> Answered:
        self.report(0.0, f"asking {self.model.name}")
        found, data = self._settled(self._request(pages, attachment=attachment))
        return Answered(found.value, found.was_kept, {"way": "attached"}, data)

    def _asked(self, given: Extent) -> Answered:
        if given.way == "parts":
            return self._in_parts(given)
        self.report(0.0, f"asking {self.model.name}")
        found, data = self._settled(self._request(given.parts[0]))
        return Answered(found.value, found.was_kept, given.told, data)

    def _in_parts(self, given: Extent) -> Answered:
        """Notes on each part, and the answer from the notes (map and reduce)."""
        spent: list[Found[GenerationResult]] = []
        done = _NOTED
        notes = self._notes(given.parts, spent, 0.0, done)
        room = extent.room_for(self.model, self.question, self.options, self.parameters)
        while extent.cost(notes) > room:
            groups = extent.shares(notes, room)
            if len(groups) >= len(notes):
                notes = _cut_to(notes, room)
                break
            notes = self._notes(groups, spent, done, (1.0 + done) / 2)
            done = (1.0 + done) / 2
        self.report(done, f"asking {self.model.name} about all parts")
        found, data = self._settled(self._request(tuple(notes), system=_OF_NOTES))
        spent.append(found)
        return Answered(_sum(spent), all(each.was_kept for each in spent), given.told, data)

    def _notes(
        self, parts: Sequence[tuple[SourcePage, ...]], spent: list[Found[GenerationResult]], begun: float, done: float
    ) -> list[SourcePage]:
        """What the model notes of each part; how much is done goes from `begun` to `done` meanwhile."""
        notes = []
        for number, part in enumerate(parts, 1):
            share = begun + (done - begun) * (number - 1) / len(parts)
            self.report(share, f"asking {self.model.name} about part {number} of {len(parts)}")
            task = _NOTE.format(number=number, count=len(parts), task=self.question)
            request = self._request(part)
            found = self.send(dataclasses.replace(request, instruction=task, response_schema=None), _NOBODY)
            spent.append(found)
            if found.value.text.strip(" .\n").upper() != _NOTHING:
                notes.append(SourcePage(part[0].number, found.value.text.strip()))
        return notes or [SourcePage(1, "Nothing in the document helps with the task.")]

    def _request(
        self, pages: tuple[SourcePage, ...], *, attachment: Attachment | None = None, system: str = ""
    ) -> GenerationRequest:
        return prompt.compose(
            self.model.id, self.question, pages, self.options, self.parameters, self.deadline, attachment, system
        )

    def _settled(self, request: GenerationRequest) -> tuple[Found[GenerationResult], Any]:
        """The answer; with a schema, one that is valid against it, after one more try where the first is not. Raises
        `ModelFailed` (`empty_answer`, `schema_mismatch`)."""
        found = self._sent(request)
        if request.response_schema is None:
            return found, None
        verdict = schema.checked(found.value.text, request.response_schema, self.deadline)
        if verdict.problems:
            logger.info("answer does not fit its schema", extra={"model": self.model.id})
            self.report(1.0, f"asking {self.model.name} to mend its answer")
            again = self._sent(prompt.mending(request, found.value.text, verdict.problems))
            found = Found(_sum([found, again]), was_kept=found.was_kept and again.was_kept)
            verdict = schema.checked(again.value.text, request.response_schema, self.deadline)
        if verdict.problems:
            told = "; ".join(verdict.problems[:3])
            raise ModelFailed(f"The model's answer does not fit response_schema: {told}", "schema_mismatch")
        return Found(dataclasses.replace(found.value, text=verdict.text), was_kept=found.was_kept), verdict.data

    def _sent(self, request: GenerationRequest) -> Found[GenerationResult]:
        """The answer to a request. A schema that the provider does not take goes as words alone."""
        try:
            found = self.send(request, self.listener)
        except ModelRejected as error:
            if request.response_schema is None or error.code != "request_rejected":
                raise
            found = self.send(dataclasses.replace(request, response_schema=None), self.listener)
        if not found.value.text.strip():
            raise ModelFailed("The model answered with nothing.", "empty_answer")
        return found


def _cut_to(notes: Sequence[SourcePage], room: float) -> list[SourcePage]:
    """As much of the beginning of each note as lets all of them fit."""
    share = room / extent.cost(notes)
    return [SourcePage(note.number, note.text[: int(len(note.text) * share)]) for note in notes]


def _sum(spent: Sequence[Found[GenerationResult]]) -> GenerationResult:
    """The last result, with the tokens and the cost of all."""
    results = [found.value for found in spent]
    costs = [result.cost for result in results]
    usage = Usage(
        sum(result.usage.input_tokens for result in results),
        sum(result.usage.output_tokens for result in results),
        any(result.usage.estimated for result in results),
        sum(result.usage.cached_tokens for result in results),
    )
    known = [cost for cost in costs if cost is not None]
    total = sum(known, Decimal(0)) if len(known) == len(costs) else None
    return dataclasses.replace(
        results[-1], usage=usage, cost=total, details={**results[-1].details, "questions": len(results)}
    )
