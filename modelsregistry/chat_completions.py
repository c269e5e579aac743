"""Chat completions as OpenAI defined them and many others speak them: what is asked, and how the answer is read."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from modelsregistry.contract import Attachment, GenerationRequest, Usage
from modelsregistry.errors import ModelOverloaded, ModelTimeout
from modelsregistry.events import events
from modelsregistry.http import Answer, broken_answer, truncated_answer
from modelsregistry.messages import Conversation, Part
from modelsregistry.refusals import Complaint, refusal
from modelsregistry.reply import Reply, count_of, decoded, fields_of, text_of

_FINISH_REASONS = {"length": "length", "max_tokens": "length", "content_filter": "content_filter"}


def completion(model: str, request: GenerationRequest, conversation: Conversation, cap_field: str) -> dict[str, Any]:
    """The body of a request; `cap_field` is what this server calls the cap on the answer's tokens."""
    body: dict[str, Any] = {
        "model": model,
        "messages": _messages(conversation),
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.max_tokens is not None:
        body[cap_field] = request.max_tokens
    if request.response_schema is not None:
        schema = {"name": "answer", "schema": dict(request.response_schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body


def read(answer: Answer, reply: Reply) -> None:
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


def words(body: Any) -> str:
    """All that an error says of itself: `{"error": {code, type, message}}`, `{"error": "…"}`, `{"detail": …}` with a
    text, an object or a list of objects inside, or vLLM's flat form."""
    if not isinstance(body, dict):
        return ""
    error = body.get("error") or body.get("detail") or body
    if isinstance(error, list):
        return " ".join(map(words, error))
    if not isinstance(error, dict):
        return text_of(error)
    inside = words(error) if error is not body and ("error" in error or "detail" in error) else ""
    return " ".join([*(text_of(error.get(name)) for name in ("code", "type", "message", "msg")), inside])


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


def _take(chunk: Any, reply: Reply) -> None:
    """Take in one chunk of the stream, or a whole completion. Raises `ModelError` when it tells of an error."""
    if not isinstance(chunk, dict):
        raise broken_answer()
    complaint = chunk.get("error") or chunk.get("detail")
    if complaint:
        raise refusal(Complaint(_status_inside(complaint), words(chunk)))
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
