"""Submitting a document: what is taken, what is refused, and that what is refused leaves nothing behind."""

from __future__ import annotations

import hashlib
import math
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models.functions import Now
from django.utils import timezone
from rest_framework.test import APIClient

from processing.documents.models import StoredDocument
from processing.queue.models import WorkerHost
from processing.runtime import configuration
from processing.tasks.models import Task
from tests import samples
from tests.conftest import Tenant
from tests.documents import samples as documents

pytestmark = pytest.mark.django_db

URL = "/api/v2/process"
PROMPT = "What is the total amount?"
UPLOADED = "file_id filename size type checksum pages created_at expires_at"


def upload(name: str = "invoice.pdf", data: bytes | None = None) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, samples.pdf() if data is None else data)


def post(tenant: Tenant, **fields: Any) -> Any:
    return tenant.client.post(URL, {"file": upload(), "prompt": PROMPT, "model": "local", **fields}, format="multipart")


def stored_files() -> set[Path]:
    root = Path(settings.DATA_DIR)
    return {path for name in ("files", "incoming") for path in (root / name).rglob("*") if path.is_file()}


@pytest.fixture
def nothing_is_kept() -> Any:
    before = stored_files()
    yield
    assert not Task.objects.exists()
    assert not StoredDocument.objects.exists()
    assert stored_files() == before


def assert_problem(response: Any, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["code"] == code
    assert body["status"] == status
    assert body["detail"]
    assert body["request_id"] == response["X-Request-ID"]
    assert body["timestamp"] > 0
    return body


def test_it_works(alice: Tenant) -> None:
    response = post(alice, temperature="0", max_tokens="2000", surprise="x")
    assert response.status_code == 200, response.content
    body = response.json()
    task = Task.objects.get(id=body["task_id"])
    assert task.owner == alice.user
    assert body["status"] in ("queued", "processing")
    assert body["config_applied"]["model"] == "local"
    assert body["config_applied"]["temperature"] == 0
    assert body["config_applied"]["max_tokens"] == 2000
    assert body["ignored_fields"] == ["surprise"]
    assert math.isclose(body["created_at"], task.created_at.timestamp())
    assert (task.filename, task.file_type, task.pages) == ("invoice.pdf", "application/pdf", 1)


def test_the_reply_tells_whether_it_starts_now_or_where_it_waits(alice: Tenant) -> None:
    WorkerHost.objects.create(
        host="one", pid=1, workers=1, max_concurrent=1, started_at=timezone.now(), heartbeat_at=Now()
    )
    first, second = post(alice).json(), post(alice).json()
    assert (first["status"], first["position"]) == ("processing", None)
    assert (second["status"], second["position"], second["estimated_time"]) == ("queued", 2, None)


def test_the_parts_of_the_older_demo_client_are_taken(alice: Tenant) -> None:
    """No Content-Type on the file's part, options before it, a doubled slash in the path."""
    boundary = "b0undary"
    fields = {"prompt": PROMPT, "max_tokens": "2000", "rag_full_context": "true", "chunk_size": "1000"}
    parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a b.pdf"\r\n\r\n'
    body = "".join(parts).encode() + head.encode() + samples.pdf() + f"\r\n--{boundary}--\r\n".encode()
    kind = f"multipart/form-data; boundary={boundary}"
    response = alice.client.generic("POST", URL, body, kind, PATH_INFO="//api/v2/process")
    assert response.status_code == 200, response.content
    assert response.json()["config_applied"]["rag_full_context"] is True


def test_one_upload_serves_many_prompts(alice: Tenant, mallory: Tenant) -> None:
    data = samples.pdf()
    first = alice.client.post("/api/v2/upload", {"file": upload(data=data)}, format="multipart")
    assert first.status_code == 201, first.content
    body = first.json()
    assert set(body) == set(UPLOADED.split())
    assert (body["pages"], body["type"], body["filename"]) == (1, "application/pdf", "invoice.pdf")
    assert (body["size"], body["checksum"]) == (len(data), f"sha256:{hashlib.sha256(data).hexdigest()}")
    again = alice.client.post("/api/v2/upload", {"file": upload(data=data)}, format="multipart").json()
    assert again["file_id"] == body["file_id"]
    assert StoredDocument.objects.count() == 1
    fields = {"file_id": body["file_id"], "prompt": PROMPT, "model": "local"}
    assert alice.client.post(URL, fields, format="multipart").status_code == 200
    assert_problem(mallory.client.post(URL, fields, format="multipart"), 404, "file_not_found")


def test_an_upload_whose_bytes_are_gone_is_refused_until_it_is_sent_again(alice: Tenant) -> None:
    def sent(data: bytes) -> str:
        reply = alice.client.post("/api/v2/upload", {"file": upload(data=data)}, format="multipart")
        assert reply.status_code == 201, reply.content
        return str(reply.json()["file_id"])

    first, other = samples.pdf(), samples.pdf("another")
    lost, _ = sent(first), sent(other)
    default_storage.delete(StoredDocument.objects.get(id=lost).path)
    fields = {"file_id": lost, "prompt": PROMPT, "model": "local"}
    assert_problem(alice.client.post(URL, fields, format="multipart"), 404, "document_gone")
    assert not Task.objects.exists()
    assert sent(first) == lost
    assert alice.client.post(URL, fields, format="multipart").status_code == 200


@pytest.mark.usefixtures("nothing_is_kept")
@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"file": None}, 422, "file_required"),
        ({"file": "just text"}, 422, "invalid"),
        ({"prompt": None}, 422, "required"),
        ({"prompt": "Hi  "}, 422, "min_length"),
        ({"prompt": "x" * 4001}, 422, "max_length"),
        ({"temperature": "abc"}, 422, "invalid"),
        ({"temperature": "3"}, 422, "max_value"),
        ({"temperature": "nan"}, 422, "invalid"),
        ({"temperature": "-0.1"}, 422, "min_value"),
        ({"max_tokens": "0"}, 422, "min_value"),
        ({"max_tokens": "32001"}, 422, "max_value"),
        ({"vision_mode": "psychic"}, 422, "invalid_choice"),
        ({"vision_mode": "force_vision"}, 422, "vision_unavailable"),
        ({"model": "no-such-model"}, 422, "unknown_model"),
        ({"file_id": "abc"}, 422, "invalid"),
        ({"file_id": str(uuid.uuid4())}, 422, "file_given_twice"),
    ],
)
def test_bad_fields_are_named(alice: Tenant, fields: dict[str, Any], status: int, code: str) -> None:
    given = {"file": upload(), "prompt": PROMPT, "model": "local", **fields}
    response = alice.client.post(URL, {k: v for k, v in given.items() if v is not None}, format="multipart")
    body = assert_problem(response, status, code)
    assert body["error_type"] == "validation_error"


@pytest.mark.usefixtures("nothing_is_kept")
def test_a_picture_for_a_model_that_reads_text_alone_needs_recognition(
    alice: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("processing.documents.ocr.is_installed", lambda: False)
    fields = {"file": upload("bill.png", samples.picture()), "prompt": PROMPT, "model": "local"}
    response = alice.client.post(URL, fields, format="multipart")
    body = assert_problem(response, 422, "recognition_unavailable")
    assert "the model local could read" in body["detail"]


@pytest.mark.usefixtures("nothing_is_kept")
@pytest.mark.parametrize(
    ("name", "data", "status", "code"),
    [
        ("empty.pdf", b"", 400, "empty_file"),
        ("tool.exe", b"MZ\x90\x00", 415, "blocked_type"),
        ("report.PDF.EXE", b"MZ\x90\x00", 415, "blocked_type"),
        ("data.xyz", b"hello world", 415, "unsupported_type"),
        ("picture.pdf", samples.picture(), 415, "type_mismatch"),
        ("broken.pdf", b"%PDF-1.7\nnothing else", 422, "document_broken"),
        ("broken.docx", b"PK\x03\x04 no zip at all", 422, "document_broken"),
        ("locked.pdf", samples.pdf("secret", password="x"), 422, "document_encrypted"),
        ("cut.png", samples.picture()[:40], 422, "document_broken"),
    ],
)
def test_bad_files_are_refused(alice: Tenant, name: str, data: bytes, status: int, code: str) -> None:
    body = assert_problem(post(alice, file=upload(name, data)), status, code)
    assert body["error_type"] == "validation_error"


def test_a_format_is_taken_once_it_is_switched_on(alice: Tenant) -> None:
    assert_problem(post(alice, file=upload("prices.xlsx", documents.excel())), 415, "unsupported_type")
    configuration.change({"supported_formats": ["pdf", "xlsx"]}, author=None)
    assert post(alice, file=upload("prices.xlsx", documents.excel())).status_code == 200
    document = StoredDocument.objects.get()
    assert (document.format, document.pages) == ("xlsx", 3)
    assert_problem(post(alice, file=upload("prices.pdf", documents.excel())), 415, "type_mismatch")


@pytest.mark.usefixtures("nothing_is_kept")
def test_a_file_over_the_limit_is_refused(alice: Tenant) -> None:
    configuration.change({"max_file_size": 1024 * 1024}, author=None)
    body = assert_problem(post(alice, file=upload("a.txt", b"x" * (1024 * 1024 + 1))), 413, "file_too_large")
    assert body["detail"] == "File too large. Maximum size: 1.0MB"


def test_a_file_at_the_limit_is_taken(alice: Tenant) -> None:
    configuration.change({"max_file_size": 5000}, author=None)
    assert post(alice, file=upload("b.txt", b"word " * 1000)).status_code == 200


@pytest.mark.usefixtures("nothing_is_kept")
def test_a_thousand_fields_are_refused(alice: Tenant) -> None:
    response = post(alice, **{f"field{number}": "x" for number in range(1000)})
    assert_problem(response, 400, "too_many_fields")


@pytest.mark.usefixtures("nothing_is_kept")
@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"no multipart at all", "multipart/form-data; boundary=x", 422, "required"),
        (b"--x\r\ngarbage", "multipart/form-data; boundary=x", 422, "required"),
        (b"--x--\r\n", "multipart/form-data", 400, "malformed_body"),
        (b"--x--\r\n", "multipart/form-data; boundary=" + "x" * 210, 400, "malformed_body"),
        (b"--x--\r\n", "multipart/form-data; boundary=" + "x" * 900, 415, "unsupported_media_type"),
    ],
)
def test_a_malformed_body_is_refused(alice: Tenant, body: bytes, kind: str, status: int, code: str) -> None:
    """Where Django can make nothing of a body it finds no fields in it, and the first that is missing is named."""
    told = assert_problem(alice.client.generic("POST", URL, body, kind), status, code)
    assert told["error_type"] == "validation_error"


@pytest.mark.usefixtures("nothing_is_kept")
def test_another_media_type_is_refused(alice: Tenant) -> None:
    assert_problem(alice.client.post(URL, {"prompt": PROMPT}, format="json"), 415, "unsupported_media_type")


@pytest.mark.usefixtures("nothing_is_kept")
@pytest.mark.parametrize("credentials", [{}, {"HTTP_AUTHORIZATION": "Bearer sk-wrong"}])
def test_a_stranger_is_refused(credentials: dict[str, str]) -> None:
    client = APIClient()
    client.credentials(**credentials)
    response = client.post(URL, {"file": upload(), "prompt": PROMPT}, format="multipart")
    body = assert_problem(response, 401, "invalid_key" if credentials else "not_authenticated")
    assert body["error_type"] == "auth_error"
    assert "Bearer" in response["WWW-Authenticate"]


@pytest.mark.usefixtures("nothing_is_kept")
@pytest.mark.parametrize("method", ["get", "put", "delete", "patch"])
def test_a_wrong_method_is_refused(alice: Tenant, method: str) -> None:
    assert_problem(getattr(alice.client, method)(URL), 405, "method_not_allowed")


@pytest.mark.usefixtures("nothing_is_kept")
def test_nothing_is_taken_while_switched_off(alice: Tenant) -> None:
    configuration.change({"enabled": False}, author=None)
    response = post(alice)
    body = assert_problem(response, 503, "disabled")
    assert response["Retry-After"] == str(body["retry_after"])


@pytest.mark.usefixtures("nothing_is_kept")
def test_a_fault_of_ours_says_nothing_of_itself(alice: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("/secret/path")

    monkeypatch.setattr("processing.api.process.submit", broken)
    monkeypatch.setattr("processing.api.process.take_in", lambda *_: None)
    response = post(alice)
    assert_problem(response, 500, "internal_error")
    assert b"secret" not in response.content
