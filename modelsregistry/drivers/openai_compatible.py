"""OpenAI's chat completions, as OpenAI, vLLM, llama.cpp, LiteLLM, LM Studio, OpenRouter and many others speak them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from modelsregistry.contract import (
    Attachment,
    Endpoint,
    GenerationRequest,
    GenerationResult,
    UpstreamModel,
    Usage,
    ignore_text,
)
from modelsregistry.endpoints import require_address, require_options, require_secret_for_header
from modelsregistry.errors import ModelError, ModelOverloaded, ModelRejected, ModelTimeout
from modelsregistry.events import events
from modelsregistry.http import Answer, Call, answering, broken_answer, truncated_answer
from modelsregistry.messages import Conversation, Part, compose
from modelsregistry.refusals import Complaint, refusal

_CAP_FIELDS = ("max_tokens", "max_completion_tokens")
_FINISH_REASONS = {"length": "length", "max_tokens": "length", "content_filter": "content_filter"}
_MAX_MODELS = 1000
_CHARACTERS_PER_TOKEN = 4


class OpenAICompatible:
    """Chat completions, always streamed, so that a stall is noticed and a cancel closes the connection.

    The option `token_cap_field` is `max_tokens` or, as OpenAI's own service wants it, `max_completion_tokens`.
    """

    kind: ClassVar[str] = "openai_compatible"
    label: ClassVar[str] = "OpenAI-compatible"

    def __init__(self, endpoint: Endpoint) -> None:
        require_address(endpoint)
        require_secret_for_header(endpoint)
        require_options(endpoint, {"token_cap_field": _CAP_FIELDS})
        self._endpoint = endpoint
        self._base = endpoint.base_url.rstrip("/")

    def generate(self, request: GenerationRequest, on_text: Callable[[str], None] = ignore_text) -> GenerationResult:
        """One answer. Raises `ModelError`."""
        conversation = compose(request, vision=self._endpoint.vision, native_pdf=self._endpoint.native_pdf)
        reply = _Reply(on_text)
        with answering(
            self._call("POST", "/chat/completions", request.deadline, self._body(request, conversation))
        ) as answer:
            _read(answer, reply)
        return reply.result(self._endpoint.model, conversation)

    def upstream_models(self, deadline: float) -> tuple[UpstreamModel, ...]:
        """What `GET /models` lists. Raises `ModelError`."""
        with answering(self._call("GET", "/models", deadline)) as answer:
            listing = answer.json()
        rows = listing.get("data") if isinstance(listing, dict) else listing
        if not isinstance(rows, list):
            raise broken_answer()
        named = [row for row in rows[:_MAX_MODELS] if isinstance(row, dict) and isinstance(row.get("id"), str)]
        return tuple(UpstreamModel(row["id"], _context_length(row)) for row in named if row["id"])

    def _call(self, method: str, path: str, deadline: float, body: Mapping[str, Any] | None = None) -> Call:
        secret = self._endpoint.secret
        return Call(
            method=method,
            url=self._base + path,
            headers={"Authorization": f"Bearer {secret}"} if secret else {},
            deadline=deadline,
            stall_timeout=self._endpoint.stall_timeout,
            words=_words,
            body=body,
        )

    def _body(self, request: GenerationRequest, conversation: Conversation) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._endpoint.model,
            "messages": _messages(conversation),
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if request.temperature is not None:
            body["temperature"] = request.temperature
        if request.max_tokens is not None:
            body[self._endpoint.options.get("token_cap_field", _CAP_FIELDS[0])] = request.max_tokens
        if request.response_schema is not None:
            schema = {"name": "answer", "schema": dict(request.response_schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body


@dataclass(slots=True)
class _Reply:
    """The answer as far as it has come."""

    on_text: Callable[[str], None]
    pieces: list[str] = field(default_factory=list)
    finish_reason: str = ""
    refused: bool = False
    model: str = ""
    usage: Usage | None = None

    def take(self, chunk: Any) -> None:
        """Take in one chunk of the stream, or a whole completion. Raises `ModelError` when it tells of an error."""
        if not isinstance(chunk, dict):
            raise broken_answer()
        if chunk.get("error"):
            raise refusal(Complaint(_status_inside(chunk["error"]), _words(chunk)))
        self.usage = _usage(chunk.get("usage")) or self.usage
        self.model = _text(chunk.get("model")) or self.model
        choices = chunk.get("choices")
        if isinstance(choices, list) and choices and isinstance(choices[0], dict):
            self._take_choice(choices[0])

    def _take_choice(self, choice: Mapping[str, Any]) -> None:
        delta = choice.get("delta") or choice.get("message")
        if isinstance(delta, dict):
            refused = _text(delta.get("refusal"))
            self.refused = self.refused or bool(refused)
            piece = _text(delta.get("content")) + refused
            if piece:
                self.pieces.append(piece)
                self.on_text(piece)
        self.finish_reason = _text(choice.get("finish_reason")) or self.finish_reason

    def result(self, asked: str, conversation: Conversation) -> GenerationResult:
        """What was answered in the end. Raises `ModelError` when that is nothing."""
        text = "".join(self.pieces)
        reason = "refusal" if self.refused else _FINISH_REASONS.get(self.finish_reason, "stop")
        if not text.strip():
            raise _nothing(reason)
        estimate = Usage(_tokens(conversation.characters), _tokens(len(text)), estimated=True)
        return GenerationResult(
            text=text,
            model=self.model or asked,
            usage=self.usage or estimate,
            finish_reason=reason,
            dropped=conversation.dropped,
        )


def _messages(conversation: Conversation) -> list[dict[str, Any]]:
    parts = conversation.parts
    # A lone text goes as a text: not every server that imitates the dialect takes a list.
    content = parts[0] if len(parts) == 1 else [_part(part) for part in parts]
    system = [{"role": "system", "content": conversation.system}] if conversation.system else []
    return [*system, {"role": "user", "content": content}]


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    encoded = base64.b64encode(part.data).decode()
    if isinstance(part, Attachment):
        file = {"filename": part.filename, "file_data": f"data:{part.media_type};base64,{encoded}"}
        return {"type": "file", "file": file}
    return {"type": "image_url", "image_url": {"url": f"data:{part.media_type};base64,{encoded}"}}


def _read(answer: Answer, reply: _Reply) -> None:
    """Read to the end mark. After a finish reason, what breaks can cost the usage alone, so the answer stands."""
    if answer.media_type == "application/json":  # a server that does not stream, or an error under 200
        reply.take(answer.json())
        reply.finish_reason = reply.finish_reason or "stop"
        return
    try:
        for event in events(answer.lines()):
            if event.data.strip() == "[DONE]":
                return
            reply.take(_decoded(event.data))
    except (ModelOverloaded, ModelTimeout):
        if not reply.finish_reason:
            raise
    if not reply.finish_reason:
        raise truncated_answer()


def _decoded(data: str) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise broken_answer() from error


def _nothing(reason: str) -> ModelError:
    if reason == "content_filter":
        return ModelRejected("The provider's content filter withheld the answer.", "content_filtered")
    if reason == "length":
        return ModelRejected("The model used up max_tokens before it wrote anything; allow more.", "answer_empty")
    return ModelOverloaded("The model gave an empty answer.", "answer_empty")


def _words(body: Any) -> str:
    """All that an error says of itself: `{"error": {code, type, message}}`, `{"error": "…"}`, `{"detail": …}` or vLLM's
    flat form."""
    if not isinstance(body, dict):
        return ""
    error = body.get("error") or body.get("detail") or body
    if not isinstance(error, dict):
        return _text(error)
    return " ".join(_text(error.get(name)) for name in ("code", "type", "message"))


def _status_inside(error: Any) -> int:
    """The status that an error under 200 gives itself, as OpenRouter and vLLM do; without one, a failure to retry."""
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) and 400 <= code < 600 else 500


def _usage(usage: Any) -> Usage | None:
    if not isinstance(usage, dict):
        return None
    read, written = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if not (isinstance(read, int) and isinstance(written, int) and read >= 0 and written >= 0):
        return None
    return Usage(read, written)


def _context_length(row: Mapping[str, Any]) -> int | None:
    """`max_model_len` is vLLM's name for it, `context_length` OpenRouter's."""
    found = row.get("max_model_len") or row.get("context_length")
    return found if isinstance(found, int) and found > 0 else None


def _tokens(characters: int) -> int:
    return -(-characters // _CHARACTERS_PER_TOKEN)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
