"""Anthropic's messages."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import urlencode

from modelsregistry.contract import (
    Attachment,
    Endpoint,
    GenerationRequest,
    GenerationResult,
    UpstreamModel,
    Usage,
    ignore_text,
)
from modelsregistry.endpoints import (
    Shaped,
    request_headers,
    require_address,
    require_options,
    require_secret_for_header,
)
from modelsregistry.errors import ModelError
from modelsregistry.events import events
from modelsregistry.http import Answer, Call, answering, broken_answer, truncated_answer
from modelsregistry.messages import Conversation, Part, compose
from modelsregistry.refusals import Complaint, refusal
from modelsregistry.reply import Reply, count_of, decoded, fields_of, rows_of, text_of
from modelsregistry.schemas import closed

_VERSION = Shaped(re.compile(r"\d{4}-\d{2}-\d{2}"), "2023-06-01")
# From this version on the API refuses a temperature, whatever it is.
_WITHOUT_TEMPERATURE = "2026-10-21"
_DEFAULT_CAP = 4096
_HIGHEST_TEMPERATURE = 1.0
_FINISH_REASONS = {"max_tokens": "length", "model_context_window_exceeded": "length", "refusal": "refusal"}
_STATUS_OF = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_PAGE_SIZE = 1000
_MAX_PAGES = 10


class Anthropic:
    """The Messages API, always streamed. `max_tokens` is required there: without one in the request it is what the
    model can write. Temperatures end at 1.0; a higher one is sent as that, and `details` says so.

    The option `anthropic_version` is the API's version, without it 2023-06-01; later ones take no temperature.
    """

    kind: ClassVar[str] = "anthropic"
    label: ClassVar[str] = "Anthropic"

    def __init__(self, endpoint: Endpoint) -> None:
        require_address(endpoint)
        require_secret_for_header(endpoint)
        require_options(endpoint, {"anthropic_version": _VERSION})
        self._endpoint = endpoint
        self._version = endpoint.options.get("anthropic_version", _VERSION.example)
        # Documentation gives the address with the version and without.
        self._base = endpoint.base_url.rstrip("/").removesuffix("/v1")

    def generate(self, request: GenerationRequest, on_text: Callable[[str], None] = ignore_text) -> GenerationResult:
        """One answer. Raises `ModelError`."""
        conversation = compose(request, vision=self._endpoint.vision, native_pdf=self._endpoint.native_pdf)
        if request.temperature is not None and self._version >= _WITHOUT_TEMPERATURE:
            request = replace(request, temperature=None)
            conversation = replace(conversation, dropped=(*conversation.dropped, "temperature"))
        body = self._body(request, conversation)
        stream = _Stream(Reply(on_text))
        with answering(self._call("POST", "/v1/messages", request.deadline, body)) as answer:
            stream.read(answer)
        lowered = body.get("temperature") != request.temperature
        return stream.reply.result(
            self._endpoint.model, conversation, {"temperature": body["temperature"]} if lowered else None
        )

    def upstream_models(self, deadline: float) -> tuple[UpstreamModel, ...]:
        """What `GET /v1/models` lists, all pages of it. Raises `ModelError`."""
        found: dict[str, UpstreamModel] = {}
        after = ""
        for _ in range(_MAX_PAGES):
            query = urlencode({"limit": _PAGE_SIZE} | ({"after_id": after} if after else {}))
            with answering(self._call("GET", f"/v1/models?{query}", deadline)) as answer:
                page = fields_of(answer.json())
            if not isinstance(page.get("data"), list):
                raise broken_answer()
            found |= {model.id: model for model in map(_listed, rows_of(page["data"])) if model.id}
            before, after = after, text_of(page.get("last_id"))
            if page.get("has_more") is not True or after in ("", before):
                break
        return tuple(found.values())

    def _call(self, method: str, path: str, deadline: float, body: Mapping[str, Any] | None = None) -> Call:
        endpoint = self._endpoint
        own = {"anthropic-version": self._version}
        return Call(
            method=method,
            url=self._base + path,
            headers=request_headers(endpoint, own | ({"x-api-key": endpoint.secret} if endpoint.secret else {})),
            deadline=deadline,
            stall_timeout=endpoint.stall_timeout,
            proxy=endpoint.proxy,
            allow_private=endpoint.allow_private,
            words=_words,
            body=body,
        )

    def _body(self, request: GenerationRequest, conversation: Conversation) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._endpoint.model,
            "max_tokens": request.max_tokens or self._endpoint.max_output_tokens or _DEFAULT_CAP,
            "messages": [{"role": "user", "content": [_part(part) for part in conversation.parts]}],
            "stream": True,
        }
        if conversation.system:
            body["system"] = conversation.system
        if request.temperature is not None:
            body["temperature"] = min(request.temperature, _HIGHEST_TEMPERATURE)
        if request.response_schema is not None:
            body["output_config"] = {"format": {"type": "json_schema", "schema": closed(request.response_schema)}}
        return body


class _Stream:
    """Reads one answer into `reply`; what it cost comes in two events, of which the later one counts."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self._counted: dict[str, int] = {}

    def read(self, answer: Answer) -> None:
        """Read to the end mark. Raises `ModelError` when it does not come."""
        if answer.media_type == "application/json":  # a server that does not stream, or an error under 200
            self._take_whole(answer.json())
            return
        for event in events(answer.lines()):
            if self._take(decoded(event.data)):
                return
        raise truncated_answer()

    def _take(self, event: Any) -> bool:
        """Take in one event, and say whether it is the last. Kinds that are not known are passed over, as the
        documentation asks."""
        if not isinstance(event, dict):
            raise broken_answer()
        match event.get("type"):
            case "message_start":
                message = fields_of(event.get("message"))
                self.reply.model = text_of(message.get("model"))
                self._count(message.get("usage"))
            case "content_block_start":
                self._say(event.get("content_block"), "text")
            case "content_block_delta":
                self._say(event.get("delta"), "text_delta")
            case "message_delta":
                self._end(fields_of(event.get("delta")).get("stop_reason"))
                self._count(event.get("usage"))
            case "message_stop":
                return True
            case "error":
                raise _error(event)
        return False

    def _take_whole(self, message: Any) -> None:
        if not isinstance(message, dict) or message.get("type") == "error" or "error" in message:
            raise _error(message) if isinstance(message, dict) else broken_answer()
        self.reply.model = text_of(message.get("model"))
        for block in rows_of(message.get("content")):
            self._say(block, "text")
        self._end(message.get("stop_reason"))
        self._count(message.get("usage"))

    def _say(self, block: Any, kind: str) -> None:
        """Pass on a piece of the answer; what the model thinks by itself is of another kind."""
        found = fields_of(block)
        if found.get("type") == kind:
            self.reply.say(text_of(found.get("text")))

    def _end(self, reason: Any) -> None:
        if text_of(reason):
            self.reply.finish_reason = _FINISH_REASONS.get(reason, "stop")

    def _count(self, usage: Any) -> None:
        for name, value in fields_of(usage).items():
            count = count_of(value)
            if count is not None:
                self._counted[name] = count
        if {"input_tokens", "output_tokens"} <= set(self._counted):
            self.reply.usage = _usage(self._counted)


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    data = base64.b64encode(part.data).decode()
    kind = "document" if isinstance(part, Attachment) else "image"
    return {"type": kind, "source": {"type": "base64", "media_type": part.media_type, "data": data}}


def _usage(counted: Mapping[str, int]) -> Usage:
    """`input_tokens` is there what was neither read from the cache nor written to it."""
    cached = counted.get("cache_read_input_tokens", 0)
    read = counted["input_tokens"] + cached + counted.get("cache_creation_input_tokens", 0)
    return Usage(read, counted["output_tokens"], cached_tokens=cached)


def _listed(row: Mapping[str, Any]) -> UpstreamModel:
    abilities = fields_of(row.get("capabilities"))
    return UpstreamModel(
        text_of(row.get("id")),
        context_length=count_of(row.get("max_input_tokens")) or None,
        name=text_of(row.get("display_name")),
        max_output_tokens=count_of(row.get("max_tokens")) or None,
        vision=_supported(abilities, "image_input"),
        native_pdf=_supported(abilities, "pdf_input"),
        structured_output=_supported(abilities, "structured_outputs"),
    )


def _supported(abilities: Mapping[str, Any], name: str) -> bool | None:
    told = fields_of(abilities.get(name)).get("supported")
    return told if isinstance(told, bool) else None


def _error(event: Mapping[str, Any]) -> ModelError:
    """An error under 200: its type stands for the status that it would have had."""
    kind = text_of(fields_of(event.get("error")).get("type"))
    return refusal(Complaint(_STATUS_OF.get(kind, 500), _words(event)))


def _words(body: Any) -> str:
    """`{"type": "error", "error": {"type", "message", "details": {"error_code"}}}`."""
    error = fields_of(fields_of(body).get("error"))
    code = text_of(fields_of(error.get("details")).get("error_code"))
    return " ".join((text_of(error.get("type")), code, text_of(error.get("message"))))
