"""Anthropic's Messages API."""

from __future__ import annotations

import base64
from typing import Any

from tests.modelsregistry.dialects.dialect import (
    MODEL_NAME,
    OUTPUT_TOKENS,
    Dialect,
    Sent,
    data,
)
from tests.modelsregistry.stand_in import Received


def _event(kind: str, **fields: Any) -> str:
    return data({"type": kind, **fields}, kind)


def _piece(text: str) -> str:
    return _event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


def _start() -> str:
    usage = {"input_tokens": 5, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 2, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": MODEL_NAME}
    return _event("message_start", message={**message, "stop_reason": None, "usage": usage})


def _answer(*pieces: str, reason: str = "stop") -> list[str]:
    theirs = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal"}
    return [
        _start(),
        _event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        _event("ping"),
        *map(_piece, pieces),
        _event("content_block_stop", index=0),
        _event(
            "message_delta",
            delta={"stop_reason": theirs.get(reason, reason), "stop_sequence": None},
            usage={"output_tokens": OUTPUT_TOKENS},
        ),
        _event("message_stop"),
    ]


_ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    503: "overloaded_error",
    529: "overloaded_error",
}


def _error(status: int) -> dict[str, Any]:
    error = {"type": _ERRORS.get(status, "api_error"), "message": "no"}
    return {"type": "error", "error": error, "request_id": "req_1"}


def _read(received: Received) -> Sent:
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
    answer=_answer,
    piece=_piece,
    tail=3,
    refused=_answer("I cannot help with that.", reason="refusal"),
    inside=lambda status: data(_error(status), "error"),
    error=_error,
    read=_read,
    secret_header=("x-api-key", "sk-test"),
    finish_reasons={
        "end_turn": "stop",
        "stop_sequence": "stop",
        "max_tokens": "length",
        "model_context_window_exceeded": "length",
        "refusal": "refusal",
    },
    with_finish=lambda reason: _answer("Some of it", reason=reason),
    models={"data": [{"type": "model", "id": "one", "max_input_tokens": 4096}, {"id": "two"}], "has_more": False},
    path="/v1/messages",
)
