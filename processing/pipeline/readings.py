"""Readings that are kept: under which digest, and in what form."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from typing import Any

from modelsregistry.contract import PageImage, SourcePage
from processing.documents.contract import ReadOptions
from processing.documents.models import StoredDocument
from processing.pipeline.cache import MAX_BYTES, Form, Key
from processing.pipeline.models import CachedResult
from processing.pipeline.read import ReadDocument

_EDITION = 2  # raised when readers come to read otherwise, or the form below changes
_MAX_TEXT = 4 * MAX_BYTES  # characters; they pack well


def key(document: StoredDocument, options: ReadOptions) -> Key:
    """Where a reading of these bytes, in this way, lies for the document's owner."""
    asked = {name: _plain(value) for name, value in dataclasses.asdict(options).items()}
    made_from = json.dumps([_EDITION, document.sha256, document.format, asked], sort_keys=True)
    digest = hashlib.sha256(made_from.encode()).hexdigest()
    return Key(CachedResult.Kind.READING, document.owner_id, digest, document.sha256)


def _plain(value: object) -> object:
    return sorted(value) if isinstance(value, frozenset) else value


def _pack(reading: ReadDocument) -> bytes | None:
    """None for one so large that it is cheaper to read the document again than to keep it in the database."""
    pictures = sum(len(page.image.data) if page.image else 0 for page in reading.pages)
    text = sum(len(page.text) for page in reading.pages)
    if pictures > MAX_BYTES or text > _MAX_TEXT:
        return None
    pages = [[page.number, page.text, *_packed_image(page.image)] for page in reading.pages]
    return json.dumps({"pages": pages, "methods": reading.methods}).encode()


def _packed_image(image: PageImage | None) -> list[str]:
    return [] if image is None else [image.media_type, base64.b64encode(image.data).decode()]


def _unpack(packed: bytes) -> ReadDocument:
    kept = json.loads(packed)
    pages = tuple(_page(*page) for page in kept["pages"])
    return ReadDocument(pages, dict(kept["methods"]), peak_mb=None)


def _page(number: int, text: str, *image: Any) -> SourcePage:
    if not image:
        return SourcePage(number, text)
    media_type, data = image
    return SourcePage(number, text, PageImage(base64.b64decode(data, validate=True), media_type))


FORM = Form(_pack, _unpack)
