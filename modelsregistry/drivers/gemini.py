"""Google's Gemini API."""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

from modelsregistry.contract import Endpoint, GenerationRequest, GenerationResult, UpstreamModel, Usage, ignore_text
from modelsregistry.endpoints import (
    Shaped,
    request_headers,
    require_address,
    require_options,
    require_secret_for_header,
)
from modelsregistry.errors import ModelMisconfigured, ModelOverloaded, ModelTimeout
from modelsregistry.events import events
from modelsregistry.http import Answer, Call, answering, broken_answer, truncated_answer
from modelsregistry.messages import Conversation, Part, compose
from modelsregistry.refusals import Complaint, refusal
from modelsregistry.reply import Reply, count_of, decoded, fields_of, rows_of, text_of

_VERSION = Shaped(re.compile(r"v\d+((alpha|beta)\d*)?"), "v1beta")
_RETRYABLE = frozenset({408, 429, 500, 502, 503, 504})
# Any other reason to end is the provider's to withhold what was written: SAFETY, RECITATION, PROHIBITED_CONTENT …
_FINISH_REASONS = {"STOP": "stop", "MAX_TOKENS": "length", "CONTINUATION": "length"}
_FAILED = {"MALFORMED_RESPONSE", "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"}
_ACCOUNT_CLOSED = "PUP_LIMITED_DISABLED"
_PAGE_SIZE = 1000
_MAX_PAGES = 10


class Gemini:
    """`streamGenerateContent`. The option `api_version` is the first part of its paths, without it v1beta."""

    kind: ClassVar[str] = "gemini"
    label: ClassVar[str] = "Gemini"

    def __init__(self, endpoint: Endpoint) -> None:
        require_address(endpoint)
        require_secret_for_header(endpoint)
        require_options(endpoint, {"api_version": _VERSION})
        self._endpoint = endpoint
        version = endpoint.options.get("api_version", _VERSION.example)
        # Documentation gives the address with the version and without.
        address, _, last = endpoint.base_url.rstrip("/").rpartition("/")
        base = address if _VERSION.pattern.fullmatch(last) else endpoint.base_url.rstrip("/")
        self._base = f"{base}/{version}"

    def generate(self, request: GenerationRequest, on_text: Callable[[str], None] = ignore_text) -> GenerationResult:
        """One answer. Raises `ModelError`."""
        conversation = compose(request, vision=self._endpoint.vision, native_pdf=self._endpoint.native_pdf)
        reply = Reply(on_text)
        path = f"/{_resource(self._endpoint.model)}:streamGenerateContent?alt=sse"
        with answering(self._call("POST", path, request.deadline, _body(request, conversation))) as answer:
            _read(answer, reply)
        return reply.result(self._endpoint.model, conversation)

    def upstream_models(self, deadline: float) -> tuple[UpstreamModel, ...]:
        """What `GET /models` lists of models that generate text, all pages of it. Raises `ModelError`."""
        found: dict[str, UpstreamModel] = {}
        token = ""
        for _ in range(_MAX_PAGES):
            query = urlencode({"pageSize": _PAGE_SIZE} | ({"pageToken": token} if token else {}))
            with answering(self._call("GET", f"/models?{query}", deadline)) as answer:
                page = fields_of(answer.json())
            if not isinstance(page.get("models"), list):
                raise broken_answer()
            found |= {row.id: row for row in map(_listed, filter(_generates, rows_of(page["models"]))) if row.id}
            before, token = token, text_of(page.get("nextPageToken"))
            if token in ("", before):
                break
        return tuple(found.values())

    def _call(self, method: str, path: str, deadline: float, body: Mapping[str, Any] | None = None) -> Call:
        endpoint = self._endpoint
        own = {"x-goog-api-key": endpoint.secret} if endpoint.secret else {}
        return Call(
            method=method,
            url=self._base + path,
            headers=request_headers(endpoint, own),
            deadline=deadline,
            stall_timeout=endpoint.stall_timeout,
            proxy=endpoint.proxy,
            allow_private=endpoint.allow_private,
            words=_words,
            body=body,
            wait=_wait,
            retryable=_RETRYABLE,
        )


def _resource(model: str) -> str:
    """`models/gemini-…`, or what the administrator wrote if that says of which kind it is, as `tunedModels/…` does."""
    kind, slash, name = model.partition("/")
    known = slash and kind in ("models", "tunedModels")
    return f"{kind}/{quote(name, safe='')}" if known else f"models/{quote(model, safe='')}"


def _body(request: GenerationRequest, conversation: Conversation) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    if request.temperature is not None:
        settings["temperature"] = request.temperature
    if request.max_tokens is not None:
        settings["maxOutputTokens"] = request.max_tokens
    if request.response_schema is not None:
        settings |= {"responseMimeType": "application/json", "responseJsonSchema": dict(request.response_schema)}
    body: dict[str, Any] = {"contents": [{"role": "user", "parts": [_part(part) for part in conversation.parts]}]}
    if conversation.system:
        body["systemInstruction"] = {"parts": [{"text": conversation.system}]}
    if settings:
        body["generationConfig"] = settings
    return body


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, str):
        return {"text": part}
    # Both spellings are the API's; there are proxies that know this one alone.
    return {"inline_data": {"mime_type": part.media_type, "data": base64.b64encode(part.data).decode()}}


def _read(answer: Answer, reply: Reply) -> None:
    """Read to the end. After a finish reason, what breaks can cost the usage alone, so the answer stands."""
    if answer.media_type == "application/json":  # a server that does not stream as asked, or an error under 200
        whole = answer.json()
        for chunk in whole if isinstance(whole, list) else [whole]:
            _take(chunk, reply)
    else:
        try:
            for event in events(answer.lines()):
                _take(decoded(event.data), reply)
        except (ModelOverloaded, ModelTimeout):
            if not reply.finish_reason:
                raise
    if not reply.finish_reason:
        raise truncated_answer()


def _take(chunk: Any, reply: Reply) -> None:
    """Take in one chunk of the stream. Raises `ModelError` when it tells of an error."""
    if not isinstance(chunk, dict):
        raise broken_answer()
    if chunk.get("error"):
        raise refusal(Complaint(_status_inside(chunk), _words(chunk), wait=_wait(chunk), retryable=_RETRYABLE))
    reply.usage = _usage(chunk.get("usageMetadata")) or reply.usage
    reply.model = text_of(chunk.get("modelVersion")) or reply.model
    if text_of(fields_of(chunk.get("promptFeedback")).get("blockReason")):
        reply.finish_reason = "content_filter"
    for candidate in rows_of(chunk.get("candidates"))[:1]:
        for part in rows_of(fields_of(candidate.get("content")).get("parts")):
            if part.get("thought") is not True:
                reply.say(text_of(part.get("text")))
        _end(text_of(candidate.get("finishReason")), reply)


def _end(reason: str, reply: Reply) -> None:
    if reason in _FAILED:
        raise broken_answer()
    if reason == _ACCOUNT_CLOSED:
        raise ModelMisconfigured("The model's provider has limited or closed our account.", "account_limited")
    if reason not in ("", "FINISH_REASON_UNSPECIFIED"):
        reply.finish_reason = _FINISH_REASONS.get(reason, "content_filter")


def _usage(usage: Any) -> Usage | None:
    """Thoughts are paid as what is written; what was cached is part of the prompt's count."""
    found = fields_of(usage)
    read = count_of(found.get("promptTokenCount"))
    if read is None:
        return None
    written = (count_of(found.get("candidatesTokenCount")) or 0) + (count_of(found.get("thoughtsTokenCount")) or 0)
    return Usage(read, written, cached_tokens=count_of(found.get("cachedContentTokenCount")) or 0)


def _generates(row: Mapping[str, Any]) -> bool:
    methods = row.get("supportedGenerationMethods")
    return isinstance(methods, list) and "generateContent" in methods


def _listed(row: Mapping[str, Any]) -> UpstreamModel:
    return UpstreamModel(
        text_of(row.get("name")).removeprefix("models/"),
        context_length=count_of(row.get("inputTokenLimit")) or None,
        name=text_of(row.get("displayName")),
        max_output_tokens=count_of(row.get("outputTokenLimit")) or None,
    )


def _complaint(body: Any) -> Mapping[str, Any]:
    """`{"error": {"code", "status", "message", "details": [{"@type", …}]}}`, maybe in a list of one."""
    found = body[0] if isinstance(body, list) and body else body
    return fields_of(fields_of(found).get("error"))


def _words(body: Any) -> str:
    error = _complaint(body)
    reasons = [text_of(row.get("reason")) for row in rows_of(error.get("details"))]
    return " ".join((text_of(error.get("status")), *reasons, text_of(error.get("message"))))


def _wait(body: Any) -> float | None:
    """What a `google.rpc.RetryInfo` asks for: a duration such as `37.5s`."""
    for row in rows_of(_complaint(body).get("details")):
        delay = text_of(row.get("retryDelay"))
        with contextlib.suppress(ValueError):
            if delay.endswith("s"):
                return float(delay.removesuffix("s"))
    return None


def _status_inside(body: Any) -> int:
    """The status that an error under 200 gives itself; without one, a failure to retry."""
    code = count_of(_complaint(body).get("code"))
    return code if code is not None and 400 <= code < 600 else 500
