"""Answers that are kept: under which digest, and in what form."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from modelsregistry.contract import Attachment, GenerationRequest, GenerationResult, PageImage, Passage, Usage
from processing.pipeline.cache import Form, Key
from processing.pipeline.models import CachedResult

_EDITION = 1  # raised when the form below changes


def key(request: GenerationRequest, fingerprint: str, owner_id: int, document_sha256: str) -> Key:
    """Where the answer to this request lies; `fingerprint` stands for the model and its settings. When it has to be
    there by makes no other request of it; everything else does."""
    asked = {field.name: getattr(request, field.name) for field in dataclasses.fields(request)}
    del asked["deadline"]
    asked["pages"] = [(page.number, page.text, page.image) for page in request.pages]
    made_from = json.dumps([_EDITION, fingerprint, document_sha256, asked], sort_keys=True, default=_plain)
    digest = hashlib.sha256(made_from.encode()).hexdigest()
    return Key(CachedResult.Kind.ANSWER, owner_id, digest, document_sha256)


def _plain(value: object) -> object:
    match value:
        case PageImage():
            return [value.media_type, hashlib.sha256(value.data).hexdigest()]
        case Attachment():
            return [value.media_type, value.filename, hashlib.sha256(value.data).hexdigest()]
        case Mapping():
            return dict(value)
    raise TypeError(f"no digest of {type(value).__name__}")


def _pack(answer: GenerationResult) -> bytes | None:
    """None for an answer that was cut off, refused, empty, or given by a model that stood in: the next try may do
    better."""
    if answer.finish_reason != "stop" or not answer.text.strip() or "fallbacks" in answer.details:
        return None
    kept = {
        "text": answer.text,
        "model": answer.model,
        "passages": None if answer.passages is None else [dataclasses.astuple(each) for each in answer.passages],
        "dropped": answer.dropped,
        "details": {name: value for name, value in answer.details.items() if name != "tries"},
    }
    return json.dumps(kept).encode()


def _unpack(packed: bytes) -> GenerationResult:
    """As it was answered; nothing was spent on it now."""
    kept: dict[str, Any] = json.loads(packed)
    passages = kept["passages"]
    return GenerationResult(
        text=kept["text"],
        model=kept["model"],
        usage=Usage(),
        passages=None if passages is None else tuple(Passage(*each) for each in passages),
        dropped=tuple(kept["dropped"]),
        details=kept["details"],
        cost=Decimal(0),
    )


FORM = Form(_pack, _unpack)
