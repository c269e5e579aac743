"""docling-serve's endpoints in its own words: files, sources, tasks, results; and what nobody should send."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from processing.delivery import fetching
from processing.delivery.fetching import Fetched, Source, Terms
from processing.documents.models import StoredDocument
from processing.runtime import configuration
from processing.tasks.models import Status, Task
from tests import samples
from tests.conftest import Tenant
from tests.worker_beside import work, worker_beside

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("worker_beside")]
__all__ = ["worker_beside"]
FILE, SOURCE = "/v1/convert/file", "/v1/convert/source"


def of(tenant: Tenant) -> APIClient:
    """A client that shows its key as docling-serve's do."""
    client = APIClient(raise_request_exception=False)
    client.credentials(HTTP_X_API_KEY=tenant.secret)
    return client


def upload(name: str = "invoice.pdf", data: bytes | None = None) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, samples.pdf() if data is None else data)


def convert(tenant: Tenant, *files: SimpleUploadedFile, url: str = FILE, **options: Any) -> Any:
    return of(tenant).post(url, {"files": list(files or [upload()]), **options}, format="multipart")


def source(tenant: Tenant, *sources: Any, url: str = SOURCE, **more: Any) -> Any:
    return of(tenant).post(url, {"sources": list(sources), **more}, format="json")


def inline(data: bytes = b"Some text.", filename: str = "a.txt") -> dict[str, str]:
    return {"kind": "file", "base64_string": base64.b64encode(data).decode(), "filename": filename}


def refused(response: Any, status: int, code: str) -> dict[str, Any]:
    body: dict[str, Any] = response.json()
    assert (response.status_code, body["code"]) == (status, code), body
    assert body["detail"]
    return body


def test_it_works(alice: Tenant) -> None:
    response = convert(alice, image_export_mode="placeholder")
    assert response.status_code == 200, response.content
    body = response.json()
    assert set(body) == {"document", "status", "errors", "processing_time", "timings"}
    assert (body["status"], body["errors"]) == ("success", [])
    assert "108.00" in body["document"]["md_content"]
    others = {"json_content", "html_content", "text_content", "doctags_content"}
    assert body["document"]["filename"] == "invoice.pdf"
    assert {body["document"][name] for name in others} == {None}


def test_every_option_of_docling_is_accepted(alice: Tenant) -> None:
    options = {
        "from_formats": ["pdf", "docx"], "to_formats": ["md", "json", "html", "text"], "image_export_mode": "embedded",
        "do_ocr": "true", "force_ocr": "false", "ocr_engine": "easyocr", "ocr_lang": ["en", "de"],
        "pdf_backend": "dlparse_v4", "table_mode": "accurate", "pipeline": "standard",
        "page_range": ["1", "9223372036854775807"], "document_timeout": "604800", "abort_on_error": "false",
        "do_table_structure": "true", "include_images": "true", "images_scale": "2.0",
        "md_page_break_placeholder": "", "target_type": "inbody", "option_of_tomorrow": "x",
    }  # fmt: skip
    body = convert(alice, **options).json()
    assert body["status"] == "success", body
    assert all(body["document"][f"{name}_content"] for name in ("md", "json", "html", "text"))


def test_each_format(alice: Tenant) -> None:
    table = "| Item | Price |\n|---|---|\n| Pen | **3** |"
    text = f"# Bill <script>\n\n{table}\n\n[link](javascript:alert(1)) <b onclick=x>&amp;\n"
    body = convert(alice, upload("a.md", text.encode()), to_formats=["md", "html", "text", "json"]).json()["document"]
    assert "# Bill" in body["md_content"]
    assert "<h1>Bill &lt;script&gt;</h1>" in body["html_content"]
    assert "<td><strong>3</strong></td>" in body["html_content"]
    assert not {"<script", "<b ", 'href="javascript'} & set(body["html_content"].split("\n"))
    assert "<b onclick" not in body["html_content"]
    assert "href=" not in body["html_content"]
    assert "Pen\t3" in body["text_content"]
    assert "|" not in body["text_content"]
    (page,) = body["json_content"]["texts"]
    assert body["json_content"]["schema_name"] == "DoclingDocument"
    assert page["prov"][0]["page_no"] == 1
    assert "Pen" in page["text"]


def test_formats_that_are_not_written_are_told(alice: Tenant) -> None:
    body = convert(alice, to_formats="md,doctags").json()
    assert body["status"] == "partial_success"
    assert "doctags" in body["errors"][0]["error_message"]
    assert body["document"]["doctags_content"] is None
    assert body["document"]["md_content"]


def test_what_is_too_long_to_be_rendered(alice: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processing.pipeline.conversion.MAX_RENDERED", 5)
    body = convert(alice, upload("a.txt", b"Some text."), to_formats=["md", "html"]).json()
    assert (body["status"], body["document"]["html_content"]) == ("partial_success", None)
    assert "too long to be written as html" in body["errors"][0]["error_message"]
    monkeypatch.setattr("processing.pipeline.conversion.MAX_TEXT", 5)
    refused(convert(alice, upload("a.txt", b"Some text.")), 422, "too_much_text")


def test_pages_and_what_stands_between_them(alice: Tenant) -> None:
    three = upload("three.pdf", samples.pdf("one", "two", "three"))
    body = convert(alice, three, page_range=["2", "3"], md_page_break_placeholder="<!-- page -->").json()
    assert body["document"]["md_content"].split() == ["two", "<!--", "page", "-->", "three"]


@pytest.mark.parametrize("given", [["0", "2"], ["3", "2"], ["x"], ["1"], ["-1", "2"], ["1", "2", "3"]])
def test_ranges_that_are_none(alice: Tenant, given: list[str]) -> None:
    refused(convert(alice, page_range=given), 422, "invalid_pages")


def test_without_recognition_a_picture_has_no_text(alice: Tenant) -> None:
    picture = upload("bill.png", samples.picture())
    refused(convert(alice, picture, do_ocr="false"), 422, "no_text")


def test_several_files_come_as_a_zip(alice: Tenant) -> None:
    one, same = upload("a.txt", b"First."), upload("a.md", b"Second.")
    response = convert(alice, one, same, to_formats=["md", "text"])
    assert response["Content-Type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(b"".join(response.streaming_content))) as archive:
        assert sorted(archive.namelist()) == ["a.md", "a.txt", "a_2.md", "a_2.txt"]
        assert archive.read("a_2.md").decode().strip() == "Second."


def test_one_of_several_that_cannot_be_read(alice: Tenant) -> None:
    """Which shows only when it is read: the others come, and it is told."""
    response = convert(alice, upload("a.txt", b" \n "), upload("b.txt", b"Text."))
    with zipfile.ZipFile(io.BytesIO(b"".join(response.streaming_content))) as archive:
        assert sorted(archive.namelist()) == ["b.md", "errors.json"]
        assert "a.txt" in json.loads(archive.read("errors.json"))[0]["error_message"]


def test_one_of_several_that_is_not_taken_refuses_all(alice: Tenant) -> None:
    refused(convert(alice, upload("a.txt", b"Text."), upload("b.exe", b"MZ")), 415, "blocked_type")
    assert not Task.objects.exists()
    assert not StoredDocument.objects.exists()


def test_a_zip_of_one(alice: Tenant) -> None:
    response = convert(alice, target_type="zip")
    with zipfile.ZipFile(io.BytesIO(b"".join(response.streaming_content))) as archive:
        assert archive.namelist() == ["invoice.md"]


@pytest.mark.parametrize("url", [FILE, SOURCE])
def test_the_asynchronous_form(alice: Tenant, mallory: Tenant, url: str) -> None:
    begun = convert(alice, url=f"{url}/async") if url == FILE else source(alice, inline(), url=f"{url}/async")
    body = begun.json()
    assert (begun.status_code, body["task_type"], body["task_status"]) == (200, "convert", "pending"), body
    poll, result = f"/v1/status/poll/{body['task_id']}", f"/v1/result/{body['task_id']}"
    refused(of(alice).get(result), 404, "result_not_ready")
    for path in (poll, result, f"{poll}?wait=1"):
        refused(of(mallory).get(path), 404, "task_not_found")

    body = of(alice).get(f"{poll}?wait=5").json()
    assert (body["task_status"], body["task_position"]) == ("success", None)
    assert body["task_meta"] == {"num_docs": 1, "num_processed": 1, "num_succeeded": 1, "num_failed": 0}
    assert of(alice).get(result).json()["document"]["md_content"]


def test_several_are_one_task_to_who_asks(alice: Tenant) -> None:
    begun = convert(alice, upload("a.txt", b"One."), upload("b.txt", b" "), url=f"{FILE}/async").json()
    poll = f"/v1/status/poll/{begun['task_id']}"
    assert begun["task_meta"]["num_docs"] == 2
    work()
    assert of(alice).get(poll).json()["task_status"] == "started"
    work()
    body = of(alice).get(poll).json()
    assert (body["task_status"], body["task_meta"]["num_failed"]) == ("partial_success", 1)
    assert "No extractable text" in body["error_message"]


def test_a_conversion_that_failed(alice: Tenant) -> None:
    begun = convert(alice, upload("a.txt", b" "), url=f"{FILE}/async").json()
    work()
    body = of(alice).get(f"/v1/status/poll/{begun['task_id']}").json()
    assert (body["task_status"], body["error_message"]) == ("failure", "No extractable text was found in the document.")
    refused(of(alice).get(f"/v1/result/{begun['task_id']}"), 422, "no_text")


def test_a_conversion_that_was_cancelled(alice: Tenant) -> None:
    begun = convert(alice, url=f"{FILE}/async").json()
    assert alice.client.delete(f"/api/v2/tasks/{begun['task_id']}").status_code == 200
    assert of(alice).get(f"/v1/status/poll/{begun['task_id']}").json()["task_status"] == "failure"
    refused(of(alice).get(f"/v1/result/{begun['task_id']}"), 422, "task_cancelled")


def test_an_ordinary_task_is_no_conversion(alice: Tenant) -> None:
    file = upload("a.txt", b"It is 7 euros.")
    asked = alice.client.post("/api/v2/process", {"file": file, "prompt": "How much?", "model": "local"})
    refused(of(alice).get(f"/v1/result/{asked.json()['task_id']}"), 404, "task_not_found")


@pytest.mark.parametrize("wait", ["soon", "nan", "1;2"])
def test_waits_that_are_none(alice: Tenant, wait: str) -> None:
    begun = convert(alice, url=f"{FILE}/async").json()
    refused(of(alice).get(f"/v1/status/poll/{begun['task_id']}?wait={wait}"), 422, "invalid")


def test_what_takes_too_long(alice: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processing.api.docling.LONGEST_WAIT", 0)
    refused(convert(alice), 504, "conversion_timeout")
    assert Task.objects.get().status == Status.QUEUED


def test_keys_in_both_places(alice: Tenant) -> None:
    assert alice.client.post(FILE, {"files": [upload()]}).status_code == 200
    client = APIClient()
    refused(client.post(FILE, {"files": [upload()]}), 401, "not_authenticated")
    client.credentials(HTTP_X_API_KEY="sk-wrong")
    refused(client.post(FILE, {"files": [upload()]}), 401, "invalid_key")
    client.credentials(HTTP_X_API_KEY=alice.secret)
    assert client.get("/api/v2/tasks").status_code == 401  # here alone


def test_the_service_says_how_it_is() -> None:
    assert APIClient().get("/health").json() == {"status": "ok"}
    assert APIClient().get("/version").json()["api-v2"]
    ready = APIClient().get("/ready")
    assert (ready.status_code, ready.json()["status"]) in ((200, "ok"), (503, 503))


def test_no_files(alice: Tenant) -> None:
    refused(of(alice).post(FILE, {"to_formats": "md"}, format="multipart"), 422, "file_required")
    refused(of(alice).post(FILE, {"file": upload()}, format="multipart"), 422, "file_required")
    refused(of(alice).post(FILE, {"files": "text"}, format="multipart"), 422, "file_required")


def test_too_many_and_too_large_files(alice: Tenant) -> None:
    refused(convert(alice, *[upload(f"{number}.txt", b"x") for number in range(21)]), 422, "too_many_files")
    configuration.change({"max_file_size": 1000}, author=None)
    refused(convert(alice, upload("a.txt", b"x" * 1001)), 413, "file_too_large")
    refused(convert(alice, *[upload(f"{number}.txt", b"x" * 900) for number in range(5)]), 413, "file_too_large")
    refused(source(alice, inline(b"x" * 1001)), 413, "file_too_large")
    assert not StoredDocument.objects.exists()


def test_files_of_a_request_count(alice: Tenant) -> None:
    configuration.change({"rate_limits": {"uploads_per_minute": 2, "batch_files_per_minute": 2}}, author=None)
    assert convert(alice, upload("a.txt", b"a"), upload("b.txt", b"b")).status_code == 200
    refused(convert(alice, upload("a.txt", b"a"), upload("b.txt", b"b")), 429, "batch_files_limited")
    refused(convert(alice), 429, "uploads_limited")


@pytest.mark.parametrize(
    ("sources", "code"),
    [
        ([], "min_length"),
        ([{}], "required"),
        (["text"], "invalid"),
        ([{"kind": "ftp"}], "invalid_choice"),
        ([{"kind": "http"}], "required"),
        ([{"kind": "file", "filename": "a.txt"}], "required"),
        ([{"kind": "file", "base64_string": "%%%", "filename": "a.txt"}], "invalid_base64"),
        ([{"kind": "file", "base64_string": "YWJ", "filename": "a.txt"}], "invalid_base64"),
        ([{"kind": "file", "base64_string": "ä", "filename": "a.txt"}], "invalid_base64"),
        ([{"kind": "http", "url": "http://a/", "headers": {"X": "1\r\nY: 2"}}], "source_invalid"),
        ([{"kind": "http", "url": "http://a.example/", "headers": {"Host": "b"}}], "source_invalid"),
        ([{"kind": "http", "url": "http://a.example/", "headers": {"X\r\nY": "b"}}], "source_invalid"),
        ([{"kind": "http", "url": "http://a.example/", "headers": []}], "not_a_dict"),
    ],
)
def test_sources_that_are_none(alice: Tenant, sources: list[Any], code: str) -> None:
    refused(source(alice, *sources), 422, code)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/a.pdf", "http://127.1/", "http://0x7f.1/", "http://2130706433/", "http://0177.0.0.1/",
        "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://localhost/", "http://LOCALHOST./", "http://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data", "http://[fe80::1]/", "http://0.0.0.0/", "http://a.localhost/",
        "http://①27.0.0.1/", "http://127。0。0。1/", "https://192.168.1.1:8443/",
    ],
)  # fmt: skip
def test_private_addresses_in_any_spelling(alice: Tenant, url: str) -> None:
    body = source(alice, {"kind": "http", "url": url})
    assert body.status_code == 422, body.content
    assert body.json()["code"] in ("address_not_allowed", "source_invalid", "source_unavailable")
    assert not StoredDocument.objects.exists()


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a.example/x", "file:///etc/passwd", "gopher://a.example/", "javascript:alert(1)", "//a.example/x",
        "a.pdf",        "http://", "http:///x", "http://user:secret@a.example/", "http://a.example:99999/", "http://[::1/",
        "http://a.example/\u0000", "data:text/plain,x", "http://" + "a" * 4001,
    ],
)  # fmt: skip
def test_urls_that_are_none(alice: Tenant, url: str) -> None:
    response = source(alice, {"kind": "http", "url": url})
    assert response.status_code == 422, response.content
    assert "secret" not in response.content.decode()


def test_a_source_that_is_fetched(alice: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(asked: Source, terms: Terms, take: Any) -> Fetched:
        assert asked.headers == {"Authorization": "Bearer theirs"}
        assert not terms.allow_private
        take(samples.pdf())
        return Fetched("application/pdf", 1)

    monkeypatch.setattr(fetching, "fetch", fetch)
    asked = {"kind": "http", "url": "https://papers.example/2501.17887", "headers": {"Authorization": "Bearer theirs"}}
    body = source(alice, asked, options={"to_formats": ["text"], "page_range": [1, 1]}).json()
    assert body["document"]["filename"] == "2501.17887.pdf"
    assert body["document"]["md_content"] is None
    assert "108.00" in body["document"]["text_content"]


def test_several_sources(alice: Tenant) -> None:
    response = source(alice, inline(b"One."), inline(b"Two.", "b.txt"), target={"kind": "zip"})
    assert response["Content-Type"] == "application/zip"
