"""Forms that a careless or hostile client builds: what was sent beside the document never reaches or harms it."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings
from django.http import HttpResponse

from processing.documents.models import StoredDocument
from processing.runtime import configuration
from processing.tasks.models import Task
from tests.conftest import Tenant

pytestmark = pytest.mark.django_db
URL = "/api/v2/process"
FORM = "multipart/form-data; boundary=b"
TEXT = b"The total is 12 euros."


def part(name: bytes, value: bytes, filename: bytes | None = None) -> bytes:
    disposition = b'form-data; name="' + name + b'"'
    if filename is not None:
        disposition += b'; filename="' + filename + b'"'
    return b"--b\r\nContent-Disposition: " + disposition + b"\r\n\r\n" + value + b"\r\n"


def send(tenant: Tenant, *parts: bytes) -> HttpResponse:
    prompt = part(b"prompt", b"What is the total?")
    return tenant.client.generic(
        "POST", URL, b"".join([prompt, *parts, b"--b--\r\n"]), "multipart/form-data; boundary=b"
    )


def test_it_works(alice: Tenant) -> None:
    assert send(alice, part(b"file", TEXT, b"a.txt")).status_code == 200


@pytest.mark.parametrize("name", [b"file", b"attachment"])
@pytest.mark.parametrize("after", [True, False])
def test_a_second_file_is_named_and_harms_nothing(alice: Tenant, name: bytes, after: bool) -> None:
    document, other = part(b"file", TEXT, b"a.txt"), part(name, b"Something else.", b"other.txt")
    first_is_taken = name == b"file" or after
    response = send(alice, document, other) if first_is_taken else send(alice, other, document)

    assert response.status_code == 200, response.content
    assert response.json()["ignored_fields"] == [name.decode()]
    task = Task.objects.get()
    assert (task.filename, task.file_size) == ("a.txt", len(TEXT))


def test_a_hundred_and_one_files_are_refused_and_none_is_left(alice: Tenant) -> None:
    response = send(alice, part(b"file", TEXT, b"a.txt"), *[part(b"more", b"x", b"m.txt")] * 100)

    assert (response.status_code, response.json()["code"]) == (400, "too_many_fields")
    assert not StoredDocument.objects.exists()
    assert list(Path(settings.FILE_UPLOAD_TEMP_DIR).iterdir()) == []


@pytest.mark.parametrize("name", [b"a\x00b", b"\xff\xfe", b"", b"<script>", b"__proto__", b"f" * 500])
def test_a_field_with_an_odd_name_is_ignored(alice: Tenant, name: bytes) -> None:
    assert send(alice, part(b"file", TEXT, b"a.txt"), part(name, b"x")).status_code == 200


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b"../../etc/passwd.txt", "passwd.txt"),
        (b"..\\..\\windows\\a.txt", "a.txt"),
        ("\u202etxt.exe.txt".encode(), None),
        ("report\u202e.txt".encode(), "report.txt"),
        (b"a\x00b.txt", "ab.txt"),
        (b"a" * 400 + b".txt", "a" * 251 + ".txt"),
        (b"<img src=x onerror=alert(1)>.txt", "<img src=x onerror=alert(1)>.txt"),
    ],
)
def test_a_file_name_is_made_harmless(alice: Tenant, sent: bytes, kept: str | None) -> None:
    response = send(alice, part(b"file", TEXT, sent))
    if kept is None:
        assert (response.status_code, response.json()["code"]) == (415, "blocked_type")
        return
    assert response.status_code == 200, response.content
    stored = Task.objects.get()
    assert stored.filename == kept
    assert stored.document is not None
    assert stored.document.path == f"documents/{alice.user.pk}/{stored.document.sha256[:2]}/{stored.document.sha256}"


def test_a_boasted_length_is_a_file_too_large_and_not_a_full_disk(alice: Tenant) -> None:
    response = alice.client.generic("POST", URL, b"", "multipart/form-data; boundary=b", CONTENT_LENGTH=str(10**15))
    assert (response.status_code, response.json()["code"]) == (413, "file_too_large")


@pytest.mark.parametrize("order", ["before", "after"])
def test_ignored_files_of_a_body_without_a_length_are_bounded_like_the_file(alice: Tenant, order: str) -> None:
    configuration.change({"max_file_size": 3000}, author=None)
    document, others = part(b"file", TEXT, b"a.txt"), [part(b"more", b"x" * 1001, b"m.txt")] * 3
    parts = [*others, document] if order == "before" else [document, *others]
    body = b"".join([part(b"prompt", b"What is the total?"), *parts, b"--b--\r\n"])

    response = alice.client.generic("POST", URL, body, FORM, HTTP_TRANSFER_ENCODING="chunked")

    assert (response.status_code, response.json()["code"]) == (413, "file_too_large")
    assert list(Path(settings.FILE_UPLOAD_TEMP_DIR).iterdir()) == []


def test_ignored_files_within_the_bound_take_nothing_from_the_file(alice: Tenant) -> None:
    configuration.change({"max_file_size": 3000}, author=None)
    response = send(alice, part(b"more", b"x" * 3000, b"m.txt"), part(b"file", b"word " * 600, b"a.txt"))
    assert response.status_code == 200, response.content
