"""OpenAI's chat completions, as OpenAI, vLLM, llama.cpp, LiteLLM, LM Studio, OpenRouter and many others speak them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
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
from modelsregistry.endpoints import request_headers, require_address, require_options, require_secret_for_header
from modelsregistry.errors import ModelOverloaded, ModelTimeout
from modelsregistry.events import events
from modelsregistry.http import Answer, Call, answering, broken_answer, truncated_answer
from modelsregistry.messages import Conversation, Part, compose
from modelsregistry.refusals import Complaint, refusal
from modelsregistry.reply import Reply, count_of, decoded, fields_of, text_of

_CAP_FIELDS = ("max_tokens", "max_completion_tokens")
_FINISH_REASONS = {"length": "length", "max_tokens": "length", "content_filter": "content_filter"}
_MAX_MODELS = 1000


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
        reply = Reply(on_text)
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
            headers=request_headers(self._endpoint, {"Authorization": f"Bearer {secret}"} if secret else {}),
            deadline=deadline,
            stall_timeout=self._endpoint.stall_timeout,
            proxy=self._endpoint.proxy,
            allow_private=self._endpoint.allow_private,
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


def _take(chunk: Any, reply: Reply) -> None:
    """Take in one chunk of the stream, or a whole completion. Raises `ModelError` when it tells of an error."""
    if not isinstance(chunk, dict):
        raise broken_answer()
    if chunk.get("error"):
        raise refusal(Complaint(_status_inside(chunk["error"]), _words(chunk)))
    reply.usage = _usage(chunk.get("usage")) or reply.usage
    reply.model = text_of(chunk.get("model")) or reply.model
    choices = chunk.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        _take_choice(choices[0], reply)


def _take_choice(choice: Mapping[str, Any], reply: Reply) -> None:
    delta = fields_of(choice.get("delta") or choice.get("message"))
    refused = text_of(delta.get("refusal"))
    reply.refused = reply.refused or bool(refused)
    reply.say(text_of(delta.get("content")) + refused)
    ended = text_of(choice.get("finish_reason"))
    reply.finish_reason = _FINISH_REASONS.get(ended, "stop") if ended else reply.finish_reason


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


def _read(answer: Answer, reply: Reply) -> None:
    """Read to the end mark. After a finish reason, what breaks can cost the usage alone, so the answer stands."""
    if answer.media_type == "application/json":  # a server that does not stream, or an error under 200
        _take(answer.json(), reply)
        reply.finish_reason = reply.finish_reason or "stop"
        return
    try:
        for event in events(answer.lines()):
            if event.data.strip() == "[DONE]":
                return
            _take(decoded(event.data), reply)
    except (ModelOverloaded, ModelTimeout):
        if not reply.finish_reason:
            raise
    if not reply.finish_reason:
        raise truncated_answer()


def _words(body: Any) -> str:
    """All that an error says of itself: `{"error": {code, type, message}}`, `{"error": "…"}`, `{"detail": …}` or vLLM's
    flat form."""
    if not isinstance(body, dict):
        return ""
    error = body.get("error") or body.get("detail") or body
    if not isinstance(error, dict):
        return text_of(error)
    return " ".join(text_of(error.get(name)) for name in ("code", "type", "message"))


def _status_inside(error: Any) -> int:
    """The status that an error under 200 gives itself, as OpenRouter and vLLM do; without one, a failure to retry."""
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) and 400 <= code < 600 else 500


def _usage(usage: Any) -> Usage | None:
    found = fields_of(usage)
    read, written = count_of(found.get("prompt_tokens")), count_of(found.get("completion_tokens"))
    if read is None or written is None:
        return None
    cached = count_of(fields_of(found.get("prompt_tokens_details")).get("cached_tokens"))
    return Usage(read, written, cached_tokens=cached or 0)


def _context_length(row: Mapping[str, Any]) -> int | None:
    """`max_model_len` is vLLM's name for it, `context_length` OpenRouter's."""
    found = row.get("max_model_len") or row.get("context_length")
    return found if isinstance(found, int) and found > 0 else None
