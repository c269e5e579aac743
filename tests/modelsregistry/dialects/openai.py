"""OpenAI-compatible servers."""

from __future__ import annotations

import base64

from tests.modelsregistry import stand_in
from tests.modelsregistry.dialects.dialect import (
    CACHED_TOKENS,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    Dialect,
    Sent,
    data,
)
from tests.modelsregistry.stand_in import Received


def _answer(*pieces: str, reason: str = "stop") -> list[str]:
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


def _read(received: Received) -> Sent:
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
    answer=_answer,
    piece=stand_in.chunk,
    tail=3,
    refused=[
        stand_in.chunk(refusal="I cannot help with that."),
        stand_in.chunk(finish_reason="stop"),
        "data: [DONE]\n\n",
    ],
    inside=lambda status: data({"error": {"code": status, "message": "no"}}),
    error=lambda status: {"error": {"message": "no", "type": "some_error", "code": None}},
    read=_read,
    secret_header=("authorization", "Bearer sk-test"),
    finish_reasons={"stop": "stop", "length": "length", "content_filter": "content_filter", "eos": "stop"},
    with_finish=lambda reason: _answer("Some of it", reason=reason),
    models={"object": "list", "data": [{"id": "one", "max_model_len": 4096}, {"id": "two"}]},
    path="/v1/chat/completions",
)
