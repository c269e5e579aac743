"""How each dialect says the same things: a table with one row a driver, for suites that hold for all of them.

A new driver adds a `Dialect` to `DIALECTS`; `test_driver_contract` then runs over it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from modelsregistry.contract import Driver, Endpoint
from modelsregistry.discovery import driver_class
from tests.modelsregistry import stand_in
from tests.modelsregistry.stand_in import Received, Reply, StandIn

# What every `Dialect.answer` says that it cost.
INPUT_TOKENS, CACHED_TOKENS, OUTPUT_TOKENS = 11, 4, 7
MODEL_NAME = "upstream-2026"


@dataclass(frozen=True)
class Sent:
    """What a request carried, whatever the dialect called it. `order` is `t` a text, `i` a picture, `d` a document."""

    texts: list[str]
    images: list[tuple[str, bytes]]
    documents: list[bytes]
    order: str
    system: str
    temperature: float | None
    max_tokens: int | None
    schema: Any
    model: str
    streamed: bool


@dataclass(frozen=True)
class Dialect:
    """One dialect as its provider speaks it.

    `answer(pieces, reason)` are the pieces of a whole stream, one string an event, `reason` being `stop`, `length` or
    `content_filter`; those up to `-tail` are not yet an answer. `piece` is one event that carries text. `refused` is a
    stream in which the model declines. `inside(status)` is an error under 200 that stands for this status, mid-stream;
    `error(status)` is the body of an honest one. `read` makes sense of a request. `secret_header` is what carries
    `sk-test`. `finish_reasons` are theirs → ours.
    """

    kind: str
    answer: Callable[..., list[str]]
    piece: Callable[[str], str]
    tail: int
    refused: list[str]
    inside: Callable[[int], str]
    error: Callable[[int], Any]
    read: Callable[[Received], Sent]
    secret_header: tuple[str, str]
    finish_reasons: Mapping[str, str]
    with_finish: Callable[[str], list[str]]
    models: Any
    content_type: str = "text/event-stream; charset=utf-8"
    malformed: str = "data: {half\n\n"
    native_pdf: bool = True
    caches: bool = True
    options: Mapping[str, str] = field(default_factory=dict)
    path: str = ""

    def __str__(self) -> str:
        return self.kind

    def driver(self, upstream: StandIn, **fields: Any) -> Driver:
        """A driver pointed at `upstream`; keywords replace fields of its endpoint."""
        given = {"model": "upstream-id", "base_url": upstream.url, "secret": "sk-test", "stall_timeout": 10.0}
        return driver_class(self.kind)(Endpoint(**{**given, "options": self.options, **fields}))

    def stream(self, *events: str) -> Reply:
        return stand_in.stream(*events, content_type=self.content_type)

    def stall(self, *events: str) -> Reply:
        return stand_in.stall(*events, content_type=self.content_type)


def data(body: Any, event: str = "") -> str:
    """A server-sent event."""
    return (f"event: {event}\n" if event else "") + f"data: {json.dumps(body)}\n\n"


# --- OpenAI-compatible ------------------------------------------------------------------------------------------------


def _openai_answer(*pieces: str, reason: str = "stop") -> list[str]:
    usage = {
        "prompt_tokens": INPUT_TOKENS,
        "completion_tokens": OUTPUT_TOKENS,
        "prompt_tokens_details": {"cached_tokens": CACHED_TOKENS},
    }
    return [
        *map(stand_in.chunk, pieces),
        stand_in.chunk(finish_reason=reason),
        stand_in.chunk(usage=usage),
        "data: [DONE]\n\n",
    ]


def _openai_read(received: Received) -> Sent:
    body = received.json
    *system, user = body["messages"]
    content = user["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    kinds = {"text": "t", "image_url": "i", "file": "d"}
    return Sent(
        texts=[part["text"] for part in parts if part["type"] == "text"],
        images=[_from_data_url(part["image_url"]["url"]) for part in parts if part["type"] == "image_url"],
        documents=[_from_data_url(part["file"]["file_data"])[1] for part in parts if part["type"] == "file"],
        order="".join(kinds[part["type"]] for part in parts),
        system=system[0]["content"] if system else "",
        temperature=body.get("temperature"),
        max_tokens=body.get("max_tokens"),
        schema=body.get("response_format", {}).get("json_schema", {}).get("schema"),
        model=body["model"],
        streamed=body["stream"],
    )


def _from_data_url(url: str) -> tuple[str, bytes]:
    media_type, _, encoded = url.removeprefix("data:").partition(";base64,")
    return media_type, base64.b64decode(encoded, validate=True)


OPENAI_COMPATIBLE = Dialect(
    kind="openai_compatible",
    answer=_openai_answer,
    piece=stand_in.chunk,
    tail=3,
    refused=[
        stand_in.chunk(refusal="I cannot help with that."),
        stand_in.chunk(finish_reason="stop"),
        "data: [DONE]\n\n",
    ],
    inside=lambda status: data({"error": {"code": status, "message": "no"}}),
    error=lambda status: {"error": {"message": "no", "type": "some_error", "code": None}},
    read=_openai_read,
    secret_header=("authorization", "Bearer sk-test"),
    finish_reasons={"stop": "stop", "length": "length", "content_filter": "content_filter", "eos": "stop"},
    with_finish=lambda reason: _openai_answer("Some of it", reason=reason),
    models={"object": "list", "data": [{"id": "one", "max_model_len": 4096}, {"id": "two"}]},
    path="/v1/chat/completions",
)


# --- Anthropic --------------------------------------------------------------------------------------------------------


def _anthropic_event(kind: str, **fields: Any) -> str:
    return data({"type": kind, **fields}, kind)


def _anthropic_piece(text: str) -> str:
    return _anthropic_event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


def _anthropic_start() -> str:
    usage = {"input_tokens": 5, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 2, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": MODEL_NAME}
    return _anthropic_event("message_start", message={**message, "stop_reason": None, "usage": usage})


def _anthropic_answer(*pieces: str, reason: str = "stop") -> list[str]:
    theirs = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal"}
    return [
        _anthropic_start(),
        _anthropic_event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        _anthropic_event("ping"),
        *map(_anthropic_piece, pieces),
        _anthropic_event("content_block_stop", index=0),
        _anthropic_event(
            "message_delta",
            delta={"stop_reason": theirs.get(reason, reason), "stop_sequence": None},
            usage={"output_tokens": OUTPUT_TOKENS},
        ),
        _anthropic_event("message_stop"),
    ]


_ANTHROPIC_ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    503: "overloaded_error",
    529: "overloaded_error",
}


def _anthropic_error(status: int) -> dict[str, Any]:
    error = {"type": _ANTHROPIC_ERRORS.get(status, "api_error"), "message": "no"}
    return {"type": "error", "error": error, "request_id": "req_1"}


def _anthropic_read(received: Received) -> Sent:
    body = received.json
    parts = body["messages"][0]["content"]
    sources = [(part["type"], part["source"]) for part in parts if part["type"] != "text"]
    assert all(source["type"] == "base64" for _, source in sources)
    return Sent(
        texts=[part["text"] for part in parts if part["type"] == "text"],
        images=[
            (source["media_type"], base64.b64decode(source["data"])) for kind, source in sources if kind == "image"
        ],
        documents=[base64.b64decode(src["data"]) for kind, src in sources if kind == "document"],
        order="".join({"text": "t", "image": "i", "document": "d"}[part["type"]] for part in parts),
        system=body.get("system", ""),
        temperature=body.get("temperature"),
        max_tokens=body["max_tokens"],
        schema=body.get("output_config", {}).get("format", {}).get("schema"),
        model=body["model"],
        streamed=body["stream"],
    )


ANTHROPIC = Dialect(
    kind="anthropic",
    answer=_anthropic_answer,
    piece=_anthropic_piece,
    tail=3,
    refused=_anthropic_answer("I cannot help with that.", reason="refusal"),
    inside=lambda status: data(_anthropic_error(status), "error"),
    error=_anthropic_error,
    read=_anthropic_read,
    secret_header=("x-api-key", "sk-test"),
    finish_reasons={
        "end_turn": "stop",
        "stop_sequence": "stop",
        "max_tokens": "length",
        "model_context_window_exceeded": "length",
        "refusal": "refusal",
    },
    with_finish=lambda reason: _anthropic_answer("Some of it", reason=reason),
    models={"data": [{"type": "model", "id": "one", "max_input_tokens": 4096}, {"id": "two"}], "has_more": False},
    path="/v1/messages",
)


# --- Gemini -----------------------------------------------------------------------------------------------------------


def _gemini_chunk(text: str | None = None, reason: str | None = None, **fields: Any) -> str:
    candidate: dict[str, Any] = {"index": 0}
    if text is not None:
        candidate["content"] = {"role": "model", "parts": [{"text": text}]}
    if reason is not None:
        candidate["finishReason"] = reason
    return data({"candidates": [candidate], "modelVersion": MODEL_NAME, **fields})


def _gemini_answer(*pieces: str, reason: str = "stop") -> list[str]:
    theirs = {"stop": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}
    usage = {
        "promptTokenCount": INPUT_TOKENS,
        "cachedContentTokenCount": CACHED_TOKENS,
        "candidatesTokenCount": 5,
        "thoughtsTokenCount": 2,
        "totalTokenCount": 18,
    }
    return [*map(_gemini_chunk, pieces), _gemini_chunk("", theirs.get(reason, reason), usageMetadata=usage)]


_GEMINI_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def _gemini_error(status: int) -> dict[str, Any]:
    return {"error": {"code": status, "message": "no", "status": _GEMINI_STATUS.get(status, "UNKNOWN")}}


def _gemini_read(received: Received) -> Sent:
    body = received.json
    (content,) = body["contents"]
    parts = content["parts"]
    settings = body.get("generationConfig", {})
    blobs = [
        (part["inline_data"]["mime_type"], base64.b64decode(part["inline_data"]["data"]))
        for part in parts
        if "inline_data" in part
    ]
    marks = {"image/jpeg": "i", "image/png": "i", "application/pdf": "d"}
    is_json = settings.get("responseMimeType") == "application/json"
    method = received.path.rpartition("/")[2]
    return Sent(
        texts=[part["text"] for part in parts if "text" in part],
        images=[blob for blob in blobs if blob[0].startswith("image/")],
        documents=[blob[1] for blob in blobs if blob[0] == "application/pdf"],
        order="".join("t" if "text" in part else marks[part["inline_data"]["mime_type"]] for part in parts),
        system="".join(part["text"] for part in body.get("systemInstruction", {}).get("parts", [])),
        temperature=settings.get("temperature"),
        max_tokens=settings.get("maxOutputTokens"),
        schema=settings.get("responseJsonSchema") if is_json else None,
        model=method.partition(":")[0],
        streamed=method.endswith(":streamGenerateContent?alt=sse"),
    )


GEMINI = Dialect(
    kind="gemini",
    answer=_gemini_answer,
    piece=_gemini_chunk,
    tail=1,
    refused=_gemini_answer("I can", reason="PROHIBITED_CONTENT"),
    inside=lambda status: data(_gemini_error(status)),
    error=_gemini_error,
    read=_gemini_read,
    secret_header=("x-goog-api-key", "sk-test"),
    finish_reasons={
        "STOP": "stop",
        "MAX_TOKENS": "length",
        "SAFETY": "content_filter",
        "RECITATION": "content_filter",
        "BLOCKLIST": "content_filter",
        "PROHIBITED_CONTENT": "content_filter",
        "SPII": "content_filter",
        "LANGUAGE": "content_filter",
        "OTHER": "content_filter",
        "SOMETHING_NEW": "content_filter",
    },
    with_finish=lambda reason: _gemini_answer("Some of it", reason=reason),
    models={
        "models": [
            {"name": "models/one", "supportedGenerationMethods": ["generateContent", "countTokens"]},
            {"name": "models/embedding", "supportedGenerationMethods": ["embedContent"]},
            {"name": "models/two", "supportedGenerationMethods": ["generateContent"]},
        ]
    },
    path="/v1beta/models/upstream-id:streamGenerateContent?alt=sse",
)


# --- Open WebUI -------------------------------------------------------------------------------------------------------

OPEN_WEBUI = replace(
    OPENAI_COMPATIBLE,
    kind="open_webui",
    inside=lambda status: data({"error": {"code": status, "detail": "no"}}),
    error=lambda status: {"detail": "no"},
    models={"data": [{"id": "one", "info": {"meta": {}}}, {"id": "two", "owned_by": "ollama"}]},
    native_pdf=False,
    path="/v1/api/chat/completions",
)


# --- Ollama -----------------------------------------------------------------------------------------------------------


def _ollama_chunk(text: str = "", **fields: Any) -> str:
    message = {"role": "assistant", "content": text}
    return json.dumps({"model": MODEL_NAME, "message": message, "done": False, **fields}) + "\n"


def _ollama_answer(*pieces: str, reason: str = "stop") -> list[str]:
    counts = {"prompt_eval_count": INPUT_TOKENS, "eval_count": OUTPUT_TOKENS}
    return [*map(_ollama_chunk, pieces), _ollama_chunk(done=True, done_reason=reason, **counts)]


def _ollama_read(received: Received) -> Sent:
    body = received.json
    *system, user = body["messages"]
    images = [("", base64.b64decode(image, validate=True)) for image in user.get("images", [])]
    return Sent(
        texts=[user["content"]],
        images=images,
        documents=[],
        order="t" + "i" * len(images),
        system=system[0]["content"] if system else "",
        temperature=body["options"].get("temperature"),
        max_tokens=body["options"].get("num_predict"),
        schema=body.get("format"),
        model=body["model"],
        streamed=body["stream"],
    )


OLLAMA = Dialect(
    kind="ollama",
    answer=_ollama_answer,
    piece=_ollama_chunk,
    tail=1,
    refused=[],
    inside=lambda status: json.dumps({"error": "no", "status_code": status}) + "\n",
    error=lambda status: {"error": "no"},
    read=_ollama_read,
    secret_header=("authorization", "Bearer sk-test"),
    finish_reasons={"stop": "stop", "length": "length", "eos": "stop"},
    with_finish=lambda reason: _ollama_answer("Some of it", reason=reason),
    models={"models": [{"name": "one", "model": "one"}, {"name": "two"}]},
    content_type="application/x-ndjson",
    malformed="{half\n",
    native_pdf=False,
    caches=False,
    path="/api/chat",
)


DIALECTS = (OPENAI_COMPATIBLE, ANTHROPIC, GEMINI, OPEN_WEBUI, OLLAMA)
