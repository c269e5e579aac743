"""Open WebUI's loader sends a document as it is and gets its pages; what it sends besides may be anything."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from processing.documents.models import StoredDocument
from processing.runtime import configuration
from processing.tasks.models import Status, Task
from tests import samples
from tests.conftest import Tenant
from tests.worker_beside import work, worker_beside

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("worker_beside")]
__all__ = ["worker_beside"]
URL = "/api/v2/process"
OTHERS_ID = "0b3f6f0e-2b1f-4c8f-9c61-6d4f0b8f6f10"


def load(client: APIClient, body: bytes, name: str | None = "invoice.pdf", **headers: Any) -> Any:
    sent = {} if name is None else {"HTTP_X_FILENAME": name}
    return client.generic("PUT", URL, body, headers.pop("content_type", ""), **sent, **headers)


def refused(response: Any, status: int, code: str) -> dict[str, Any]:
    body: dict[str, Any] = response.json()
    assert (response.status_code, body["code"]) == (status, code), body
    assert body["detail"]
    return body


def test_it_works(alice: Tenant) -> None:
    document = samples.pdf("One page.", "Another page.", "A third.")
    response = load(alice.client, document, quote(f"{OTHERS_ID}_Rechnung März.pdf"), content_type="application/pdf")
    assert response.status_code == 200, response.content
    pages = response.json()
    assert [page["page_content"].strip() for page in pages] == ["One page.", "Another page.", "A third."]
    assert [page["metadata"]["page"] for page in pages] == [1, 2, 3]
    metadata = pages[0]["metadata"]
    assert (metadata["source"], metadata["total_pages"], metadata["type"]) == (
        "Rechnung März.pdf",
        3,
        "application/pdf",
    )
    assert StoredDocument.objects.get().owner == alice.user


def test_no_type_and_no_name_are_needed(alice: Tenant) -> None:
    (page,) = load(alice.client, samples.pdf(), None).json()
    assert "108.00" in page["page_content"]
    assert page["metadata"]["filename"] == "document"


def test_a_page_without_text_is_there_too(alice: Tenant) -> None:
    pages = load(alice.client, samples.pdf("Text.", "", "More.")).json()
    assert [bool(page["page_content"].strip()) for page in pages] == [True, False, True]


def test_a_second_try_is_read_from_store(alice: Tenant) -> None:
    document = samples.pdf()
    first, second = (load(alice.client, document).json() for _ in range(2))
    assert first[0]["page_content"] == second[0]["page_content"]
    assert [task.cache for task in Task.objects.order_by("seq")] == ["", "reading"]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("..%2F..%2Fetc%2Fpasswd.txt", "passwd.txt"),
        ("C%3A%5CWindows%5Cnotes.txt", "notes.txt"),
        ("%00a%0D%0AX-Evil%3A%20yes.txt", "aX-Evil: yes.txt"),
        ("%E2%80%AEtxt.exe%E2%80%AC.txt", None),  # an extension before the last is blocked, too
        ("%FF%FE%ZZ%.txt", "\ufffd\ufffd%ZZ%.txt"),
        ("M%C3%A4rz.txt", "März.txt"),
        ("M\xe4rz.txt", None),
        ("%3Cscript%3E.txt", "<script>.txt"),
        ("a" * 5000 + ".txt", "a" * 255),
        ("a" * 3000 + ".txt", "a" * 251 + ".txt"),
        (f"{OTHERS_ID}_{OTHERS_ID}_x.txt", f"{OTHERS_ID}_x.txt"),
        (f"{OTHERS_ID}_", "document"),
        ("", "document"),
        ("%2F", "document"),
    ],
)
def test_hostile_names(alice: Tenant, sent: str, kept: str | None) -> None:
    response = load(alice.client, b"Some text.", sent)
    assert response.status_code in (200, 415), response.content
    if kept is not None:
        (page,) = response.json()
        assert page["metadata"]["source"] == kept
    for document in StoredDocument.objects.all():
        assert not set(document.filename) & set("/\\\0\r\n")


@pytest.mark.parametrize(
    ("body", "name", "status", "code"),
    [
        (b"", "a.txt", 400, "empty_file"),
        (b"", None, 400, "empty_file"),
        (b"MZ\x90\x00" + b"\0" * 60, "a.exe", 415, "blocked_type"),
        (b"\x7fELF" + b"\0" * 60, None, 415, "unsupported_type"),
        (b"no pdf", "a.pdf", 415, "type_mismatch"),
        (samples.pdf()[:300], "a.pdf", 422, "document_broken"),
        (samples.pdf(password="secret"), "a.pdf", 422, "document_encrypted"),
        (b" \n \n", "a.txt", 422, "no_text"),
    ],
)
def test_what_cannot_be_read(alice: Tenant, body: bytes, name: str | None, status: int, code: str) -> None:
    refused(load(alice.client, body, name), status, code)


def test_nothing_to_extract_is_told_in_words_that_clients_know(alice: Tenant) -> None:
    body = refused(load(alice.client, samples.pdf("")), 422, "no_text")
    assert "No extractable text" in body["detail"]


def test_too_large(alice: Tenant) -> None:
    configuration.change({"max_file_size": 100}, author=None)
    refused(load(alice.client, b"x" * 101, "a.txt"), 413, "file_too_large")
    assert load(alice.client, b"x" * 100, "a.txt").status_code == 200


def test_an_end_that_could_come_early_is_not_taken(alice: Tenant) -> None:
    refused(load(alice.client, b"text", "a.txt", HTTP_TRANSFER_ENCODING="chunked"), 411, "length_required")
    assert not StoredDocument.objects.exists()


def test_who_is_unknown(alice: Tenant) -> None:
    refused(load(APIClient(), b"text", "a.txt"), 401, "not_authenticated")
    refused(load(APIClient(), b"text", "a.txt", HTTP_AUTHORIZATION="Bearer sk-wrong"), 401, "invalid_key")
    assert not StoredDocument.objects.exists()


def test_uploads_are_limited(alice: Tenant) -> None:
    configuration.change({"rate_limits": {"uploads_per_minute": 2}}, author=None)
    assert [load(alice.client, b"text", "a.txt").status_code for _ in range(3)] == [200, 200, 429]
    file = SimpleUploadedFile("a.txt", b"text")
    assert alice.client.post("/api/v2/upload", {"file": file}).status_code == 429


def test_what_takes_too_long_goes_on(alice: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody works while the loader waits; then somebody does, and the next try finds it read."""
    monkeypatch.setattr("processing.delivery.awaiting._rest", lambda _: None)
    clock = SimpleNamespace(monotonic=iter(range(0, 10_000, 20)).__next__)
    monkeypatch.setattr("processing.delivery.awaiting.time", clock)
    refused(load(alice.client, samples.pdf()), 504, "reading_unfinished")
    monkeypatch.undo()
    assert Task.objects.get().status == Status.QUEUED
    assert work()
    assert Task.objects.get().status == Status.COMPLETED


def test_who_finds_no_place_to_wait_in_begins_nothing(alice: Tenant) -> None:
    refused(load(alice.client, b"text", "a.txt", **{"api_v2.wait": lambda: False}), 503, "busy")
    file = SimpleUploadedFile("a.txt", b"text")
    reply = alice.client.post("/v1/convert/file", {"files": file}, **{"api_v2.wait": lambda: False})
    refused(reply, 503, "busy")
    assert not Task.objects.exists()


def test_it_comes_before_what_nobody_waits_for(alice: Tenant) -> None:
    ask = {"prompt": "What is the total?", "model": "local"}
    alice.client.post(URL, {**ask, "file": SimpleUploadedFile("a.txt", b"It is 7 euros.")})
    assert load(alice.client, samples.pdf()).status_code == 200
    assert list(Task.objects.order_by("seq").values_list("status", flat=True)) == [Status.QUEUED, Status.COMPLETED]


def test_the_task_is_the_callers_alone(alice: Tenant, mallory: Tenant) -> None:
    task = load(alice.client, samples.pdf()).json()[0]["metadata"]["task_id"]
    body = alice.client.get(f"/api/v2/status/{task}").json()
    assert (body["status"], body["model_used"]) == ("completed", "reading")
    assert "108.00" in body["result"]["content"]
    assert mallory.client.get(f"/api/v2/status/{task}").status_code == 404
