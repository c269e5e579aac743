"""The built-in model: answers by evidence from the document itself, with no key, no weights and no network."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial

from modelsregistry.answering.answer import Answer, Reader, answer, answers
from modelsregistry.answering.filling import fill
from modelsregistry.contract import Endpoint, GenerationRequest, GenerationResult, Usage, ignore_text
from modelsregistry.errors import ModelTimeout

_CHARACTERS_PER_TOKEN = 4
"""The usual estimate for European languages; nothing here is really cut into tokens."""


class LocalDriver:
    """Deterministic: the same document and question always get the same answer."""

    kind = "local"
    label = "Built-in"
    reads_any_length = True

    def __init__(self, endpoint: Endpoint) -> None:
        self._model = endpoint.model

    def generate(self, request: GenerationRequest, on_text: Callable[[str], None] = ignore_text) -> GenerationResult:
        """Answer from the evidence in the pages. Raises `ModelTimeout` once `request.deadline` has passed."""

        def check() -> None:
            if time.monotonic() >= request.deadline:
                raise ModelTimeout("The answer was not found within the time allowed.", "model_timeout")

        check()
        found = _found(request, check)
        text, finish_reason = _capped(found.text, request.max_tokens)
        check()
        for piece in text.splitlines(keepends=True):
            on_text(piece)
        read = len(request.question) + sum(len(page.text) for page in request.pages)
        return GenerationResult(
            text=text,
            model=request.model or self._model,
            usage=Usage(_tokens(read), _tokens(len(text)), estimated=True),
            finish_reason=finish_reason,
            passages=found.passages,
            dropped=_dropped(request),
            details={"engine": "evidence", "question_type": found.type, "candidates": found.candidates},
        )


def _found(request: GenerationRequest, check: Callable[[], None]) -> Answer:
    """The answer to the question; where a schema is given, the fields of the schema, as JSON."""
    if request.response_schema is None:
        return answer(request.question, request.pages, check)
    ask = partial(answers, Reader(request.pages, check))
    data, filled = fill(request.response_schema, ask)
    text = json.dumps(data, ensure_ascii=False, indent=2)
    return Answer(text, tuple(filled.passages), "schema", filled.asked)


def _capped(text: str, max_tokens: int | None) -> tuple[str, str]:
    """At most `max_tokens` estimated tokens of `text`, ended between words where there is one to end at."""
    if max_tokens is None or len(text) <= max_tokens * _CHARACTERS_PER_TOKEN:
        return text, "stop"
    cut = text[: max_tokens * _CHARACTERS_PER_TOKEN]
    kept = cut.rsplit(None, 1)[0] if not text[len(cut)].isspace() else cut.rstrip()
    return kept or cut, "length"


def _tokens(characters: int) -> int:
    return -(-characters // _CHARACTERS_PER_TOKEN)


def _dropped(request: GenerationRequest) -> tuple[str, ...]:
    given = {
        "temperature": request.temperature is not None,
        "system": bool(request.system),
        "images": any(page.image is not None for page in request.pages),
    }
    return tuple(name for name, present in given.items() if present)
