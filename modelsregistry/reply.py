"""An answer as it comes in, whatever its dialect: its pieces, how it ended, what it cost. And JSON that nobody vouches
for, read without trust in its shape."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from modelsregistry.contract import GenerationResult, Usage
from modelsregistry.errors import ModelError, ModelOverloaded, ModelRejected
from modelsregistry.http import broken_answer
from modelsregistry.messages import Conversation
from modelsregistry.thoughts import Thoughts

_CHARACTERS_PER_TOKEN = 4
_MOST = 100_000_000  # tokens: no model reads as many, and what is kept of a task has no room for what anybody may claim


@dataclass(slots=True)
class Reply:
    """The answer as far as it has come.

    `finish_reason` is one of `GenerationResult`'s, empty until the provider gives one; `refused` says that the text is
    a refusal, however it ended. `model` is who says it answers.
    """

    on_text: Callable[[str], None]
    pieces: list[str] = field(default_factory=list)
    finish_reason: str = ""
    refused: bool = False
    model: str = ""
    usage: Usage | None = None
    _thoughts: Thoughts = field(default_factory=Thoughts)

    def say(self, piece: str) -> None:
        """Take in a piece of the answer's text, and pass it on."""
        self._pass_on(self._thoughts.without(piece))

    def _pass_on(self, piece: str) -> None:
        if piece:
            self.pieces.append(piece)
            self.on_text(piece)

    def result(
        self, asked: str, conversation: Conversation, details: Mapping[str, Any] | None = None
    ) -> GenerationResult:
        """What was answered in the end, by `asked` unless somebody else said so. Raises `ModelError` when that is
        nothing."""
        self._pass_on(self._thoughts.rest())
        text = "".join(self.pieces)
        reason = "refusal" if self.refused else self.finish_reason or "stop"
        estimate = Usage(_tokens(conversation.characters), _tokens(len(text)), estimated=True)
        if not text.strip():
            error = _nothing(reason)
            error.usage = self.usage or estimate
            raise error
        return GenerationResult(
            text=text,
            model=self.model or asked,
            usage=self.usage or estimate,
            finish_reason=reason,
            dropped=conversation.dropped,
            details=details or {},
        )


def decoded(data: str) -> Any:
    """One event's JSON. Raises `ModelError` when it is none."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise broken_answer() from error


def text_of(value: Any) -> str:
    """The value if it is a text, else an empty one."""
    return value if isinstance(value, str) else ""


def fields_of(value: Any) -> Mapping[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def rows_of(value: Any) -> list[Mapping[str, Any]]:
    """The objects in the value if it is a list, else none."""
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def count_of(value: Any) -> int | None:
    """The value if it counts something that there can be so many of, else None."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST else None


def _nothing(reason: str) -> ModelError:
    if reason == "content_filter":
        return ModelRejected("The provider's content filter withheld the answer.", "content_filtered")
    if reason == "refusal":
        return ModelRejected("The model refuses to answer this request.", "answer_refused")
    if reason == "length":
        return ModelRejected("The model used up max_tokens before it wrote anything; allow more.", "answer_empty")
    return ModelOverloaded("The model gave an empty answer.", "answer_empty")


def _tokens(characters: int) -> int:
    return -(-characters // _CHARACTERS_PER_TOKEN)
