"""A document is read page by page, and no more of it is held than one question can carry."""

from __future__ import annotations

import hashlib
import time

import pytest
from django.core.files.base import ContentFile

from processing.documents import registry, store
from processing.documents.contract import ReadOptions
from processing.documents.models import StoredDocument
from processing.errors import DocumentFailed
from processing.pipeline import read
from tests import samples
from tests.conftest import Tenant


@pytest.fixture
def document(alice: Tenant) -> StoredDocument:
    data = samples.pdf()
    return store.keep(
        alice.user,
        ContentFile(data),
        filename="invoice.pdf",
        format=registry.named("pdf"),
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        pages=1,
    )


def ignore(_number: int, _of: int | None) -> None:
    pass


def in_a_minute() -> float:
    return time.monotonic() + 60


def test_it_works(document: StoredDocument) -> None:
    told: list[tuple[int, int | None]] = []
    found = read.read(document, ReadOptions(images=True), in_a_minute(), lambda number, of: told.append((number, of)))
    assert told[0] == (1, len(found.pages))
    assert [page.number for page in found.pages] == list(range(1, len(found.pages) + 1))
    assert all(page.image and page.image.data.startswith(b"\xff\xd8") for page in found.pages)
    assert found.methods == {"text": len(found.pages)}
    assert found.peak_mb


def test_pictures_are_read_for_those_who_want_them_alone(document: StoredDocument) -> None:
    found = read.read(document, ReadOptions(), in_a_minute(), ignore)
    assert all(page.image is None for page in found.pages)


def test_more_pictures_than_a_question_can_carry_are_refused(
    document: StoredDocument, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read, "MAX_PICTURE_BYTES", 1000)
    with pytest.raises(DocumentFailed, match="force_text") as caught:
        read.read(document, ReadOptions(images=True), in_a_minute(), ignore)
    assert caught.value.code == "too_many_pictures"
    assert read.read(document, ReadOptions(), in_a_minute(), ignore).pages
