"""Gemini's generateContent."""

from __future__ import annotations

import base64
from typing import Any

from tests.modelsregistry.dialects.dialect import (
    CACHED_TOKENS,
    INPUT_TOKENS,
    MODEL_NAME,
    Dialect,
    Sent,
    data,
)
from tests.modelsregistry.stand_in import Received


def _chunk(text: str | None = None, reason: str | None = None, **fields: Any) -> str:
    candidate: dict[str, Any] = {"index": 0}
    if text is not None:
        candidate["content"] = {"role": "model", "parts": [{"text": text}]}
    if reason is not None:
        candidate["finishReason"] = reason
    return data({"candidates": [candidate], "modelVersion": MODEL_NAME, **fields})


def _answer(*pieces: str, reason: str = "stop") -> list[str]:
    theirs = {"stop": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}
    usage = {
        "promptTokenCount": INPUT_TOKENS,
        "cachedContentTokenCount": CACHED_TOKENS,
        "candidatesTokenCount": 5,
        "thoughtsTokenCount": 2,
        "totalTokenCount": 18,
    }
    return [*map(_chunk, pieces), _chunk("", theirs.get(reason, reason), usageMetadata=usage)]


_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def _error(status: int) -> dict[str, Any]:
    return {"error": {"code": status, "message": "no", "status": _STATUS.get(status, "UNKNOWN")}}


def _read(received: Received) -> Sent:
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
    answer=_answer,
    piece=_chunk,
    tail=1,
    refused=_answer("I can", reason="PROHIBITED_CONTENT"),
    inside=lambda status: data(_error(status)),
    error=_error,
    read=_read,
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
    with_finish=lambda reason: _answer("Some of it", reason=reason),
    models={
        "models": [
            {"name": "models/one", "supportedGenerationMethods": ["generateContent", "countTokens"]},
            {"name": "models/embedding", "supportedGenerationMethods": ["embedContent"]},
            {"name": "models/two", "supportedGenerationMethods": ["generateContent"]},
        ]
    },
    path="/v1beta/models/upstream-id:streamGenerateContent?alt=sse",
)
