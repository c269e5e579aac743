"""Ollama's own API."""

from __future__ import annotations

import base64
import json
from typing import Any

from tests.modelsregistry.dialects.dialect import (
    INPUT_TOKENS,
    MODEL_NAME,
    OUTPUT_TOKENS,
    Dialect,
    Sent,
)
from tests.modelsregistry.stand_in import Received


def _chunk(text: str = "", **fields: Any) -> str:
    message = {"role": "assistant", "content": text}
    return json.dumps({"model": MODEL_NAME, "message": message, "done": False, **fields}) + "\n"


def _answer(*pieces: str, reason: str = "stop") -> list[str]:
    counts = {"prompt_eval_count": INPUT_TOKENS, "eval_count": OUTPUT_TOKENS}
    return [*map(_chunk, pieces), _chunk(done=True, done_reason=reason, **counts)]


def _read(received: Received) -> Sent:
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
    answer=_answer,
    piece=_chunk,
    tail=1,
    refused=[],
    inside=lambda status: json.dumps({"error": "no", "status_code": status}) + "\n",
    error=lambda status: {"error": "no"},
    read=_read,
    secret_header=("authorization", "Bearer sk-test"),
    finish_reasons={"stop": "stop", "length": "length", "eos": "stop"},
    with_finish=lambda reason: _answer("Some of it", reason=reason),
    models={"models": [{"name": "one", "model": "one"}, {"name": "two"}]},
    content_type="application/x-ndjson",
    malformed="{half\n",
    native_pdf=False,
    caches=False,
    path="/api/chat",
)
