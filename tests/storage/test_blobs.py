"""The same of every storage: what is put in comes out whole, is listed, and goes."""

from __future__ import annotations

import hashlib
import io
from datetime import timedelta

import httpx
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from processing.documents import blobs
from processing.errors import DocumentFailed
from tests.storage.servers import Server

CONTENT = b"%PDF words" * 2_000_000  # 20 MB, of several parts


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def names(below: str) -> list[str]:
    return sorted(file.path for file in blobs.documents.walk(below))


@pytest.mark.parametrize("content", [b"", b"words", CONTENT], ids=["empty", "small", "of several parts"])
def test_it_works(remote: Server, content: bytes) -> None:
    path = f"documents/7/ab/{len(content)}"
    assert not blobs.documents.exists(path)
    blobs.documents.put(path, ContentFile(content))
    assert blobs.documents.exists(path)
    assert blobs.documents.size(path) == len(content)
    assert abs(blobs.documents.modified(path) - timezone.now()) < timedelta(minutes=5)
    with blobs.documents.opened(path, len(content), sha256(content)) as file:
        assert file.fileno() > 0
        assert file.read() == content
    blobs.documents.delete(path)
    blobs.documents.delete(path)
    assert not blobs.documents.exists(path)


def test_a_name_is_overwritten_and_none_is_made_up(remote: Server) -> None:
    for content in (b"first", b"second"):
        blobs.documents.put("documents/1/aa/name", ContentFile(content))
    assert names("documents/1") == ["documents/1/aa/name"]
    assert blobs.documents.size("documents/1/aa/name") == 6


def test_what_is_listed_lies_below_and_nowhere_else(remote: Server) -> None:
    paths = [f"documents/12/{number:02x}/{number}" for number in range(30)]
    for path in [*paths, "documents/123/00/of another"]:
        blobs.documents.put(path, ContentFile(b"x"))
    assert names("documents/12") == sorted(paths)
    [first] = [file for file in blobs.documents.walk("documents/12") if file.path == paths[0]]
    assert first.size == 1
    assert first.modified is not None and abs(first.modified - timezone.now()) < timedelta(minutes=5)
    assert names("documents/nobody") == []
    assert blobs.documents.holds_anything("documents/123")
    assert not blobs.documents.holds_anything("documents/1234")


def test_what_is_not_there_is_missing(remote: Server) -> None:
    for ask in (blobs.documents.size, blobs.documents.modified, lambda path: blobs.documents.opened(path, 1, "0")):
        with pytest.raises(FileNotFoundError):
            ask("documents/1/00/nothing")


@pytest.mark.parametrize("wrong", [b"word", b"wordz"])
def test_what_is_not_what_was_stored_is_refused(remote: Server, wrong: bytes) -> None:
    blobs.documents.put("documents/1/00/damaged", ContentFile(wrong))
    with pytest.raises(DocumentFailed) as failed:
        blobs.documents.opened("documents/1/00/damaged", 5, sha256(b"words"))
    assert failed.value.code == "document_damaged"


def test_names_lie_below_the_prefix(remote: Server) -> None:
    assert default_storage.location == "api-v2"
    with pytest.raises(Exception, match=r"denied|name|path"):
        blobs.documents.exists("../outside")


def test_a_link_gives_the_file_as_an_attachment(remote: Server) -> None:
    if remote.provider == "gcs":
        pytest.skip("a signature takes a service account's key, which the emulator has not")
    blobs.documents.put("documents/1/00/linked", ContentFile(b"words"))
    link = blobs.documents.link("documents/1/00/linked", "übung\r\n.pdf")
    assert link is not None
    got = httpx.get(link, trust_env=False)
    assert (got.status_code, got.content) == (200, b"words")
    assert got.headers["content-type"] == "application/octet-stream"
    assert got.headers["content-disposition"].startswith("attachment")
    tampered = httpx.get(link.replace("linked", "others"), trust_env=False)
    assert tampered.status_code in (403, 404)


def test_a_file_is_stored_from_its_beginning(remote: Server) -> None:
    file = io.BytesIO(b"words")
    file.read(3)
    blobs.documents.put("documents/1/00/read before", ContentFile(file.getvalue()))
    assert blobs.documents.size("documents/1/00/read before") == 5
