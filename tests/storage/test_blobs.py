"""The same of every storage: what is put in comes out whole, is listed, and goes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from processing.documents import blobs
from processing.errors import DocumentFailed
from tests.storage.conftest import stored_in
from tests.storage.servers import Server

CONTENT = b"%PDF words" * 1_000_000  # 10 MB, of two parts


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
        pytest.skip("the emulator has no accounts whose key could sign; see the next")
    blobs.documents.put("documents/1/00/linked", ContentFile(b"words"))
    link = blobs.documents.link("documents/1/00/linked", "übung\r\n.pdf")
    assert link is not None
    got = httpx.get(link, trust_env=False)
    assert (got.status_code, got.content) == (200, b"words")
    assert got.headers["content-type"] == "application/octet-stream"
    assert got.headers["content-disposition"].startswith("attachment")
    tampered = httpx.get(link.replace("linked", "others"), trust_env=False)
    assert tampered.status_code in (403, 404)


@pytest.mark.parametrize("server", ["gcs"], indirect=True)
def test_a_link_to_google_is_signed_by_the_service_account(server: Server, tmp_path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    account = {"type": "service_account", "client_email": "api@example.org", "private_key": pem.decode()}
    account["token_uri"] = "http://127.0.0.1:1/token"
    variables = {**server.variables, "GOOGLE_APPLICATION_CREDENTIALS_JSON": json.dumps(account)}
    with stored_in("gcs", variables, tmp_path):
        link = blobs.documents.link("documents/1/00/linked", "a.pdf")
    address = urlsplit(str(link))
    asked = parse_qs(address.query)
    assert address.path == "/papers/api-v2/documents/1/00/linked"
    assert asked["X-Goog-Credential"][0].startswith("api@example.org/")
    assert asked["X-Goog-Expires"] == ["60"]
    assert asked["response-content-disposition"] == ['attachment; filename="a.pdf"']
    assert asked["X-Goog-Signature"][0]


def test_a_file_is_stored_from_its_beginning(remote: Server) -> None:
    file = ContentFile(b"words")
    file.read(3)
    blobs.documents.put("documents/1/00/read before", file)
    assert blobs.documents.size("documents/1/00/read before") == 5


def test_four_that_store_the_same_at_once_store_it_whole(remote: Server) -> None:
    content = b"the same" * 1_200_000  # 9.6 MB, of two parts
    with ThreadPoolExecutor(4) as pool:
        stored = [pool.submit(blobs.documents.put, "documents/1/00/raced", ContentFile(content)) for _ in range(4)]
        for each in stored:
            each.result()
    with blobs.documents.opened("documents/1/00/raced", len(content), sha256(content)) as file:
        assert file.read() == content


def test_a_forked_process_has_connections_of_its_own(remote: Server) -> None:
    blobs.documents.put("documents/1/00/before", ContentFile(b"words"))
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            os._exit(0 if blobs.documents.size("documents/1/00/before") == 5 else 1)
        os._exit(2)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert blobs.documents.size("documents/1/00/before") == 5
