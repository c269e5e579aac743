"""Clients that others wrote work unchanged against a real service; a conversion outlives its restart."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests import samples
from tests.guide.programs import require
from tests.stack.service import ROOT, RunningService, running_service
from tests.stack.third_party_clients import DemoClient, DoclingClient, OpenWebUI

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]
ID = "0b3f6f0e-2b1f-4c8f-9c61-6d4f0b8f6f10"


@pytest.fixture(scope="module")
def key(service: RunningService) -> str:
    return service.key


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / f"{ID}_Rechnung März.pdf"
    path.write_bytes(samples.pdf("A letter.", samples.INVOICE))
    return path


def test_the_demo_client_of_the_older_service(service: RunningService, key: str) -> None:
    client = DemoClient(service.url, key)
    assert client.reaches_the_service()
    assert "108.00" in client.process("invoice.pdf", samples.pdf(), "What is the total amount?")


def test_open_webuis_external_loader(service: RunningService, key: str, document: Path) -> None:
    pages = OpenWebUI(service.url, key).external(document)
    assert [page["metadata"]["page"] for page in pages] == [1, 2]
    assert "108.00" in pages[1]["page_content"]
    assert pages[0]["metadata"]["source"] == "Rechnung März.pdf"


def test_open_webui_shows_what_is_wrong(service: RunningService, key: str, tmp_path: Path) -> None:
    path = tmp_path / "empty.pdf"
    path.write_bytes(samples.pdf(""))
    with pytest.raises(RuntimeError, match="No extractable text"):
        OpenWebUI(service.url, key).external(path)
    path.write_bytes(b"no pdf at all")
    with pytest.raises(RuntimeError, match="its content is plain text"):
        OpenWebUI(service.url, key).docling(path)


def test_open_webuis_docling_engine(service: RunningService, key: str, document: Path) -> None:
    assert "108.00" in OpenWebUI(service.url, key).docling(document)
    picture = document.with_name("bill.png")
    picture.write_bytes(samples.picture())
    assert "108.00" in OpenWebUI(service.url, key).docling(picture)


def test_a_docling_client(service: RunningService, key: str, document: Path) -> None:
    client = DoclingClient(service.url, key)
    result = client.convert(
        "/v1/convert/file",
        files=[("files", (document.name, document.read_bytes()))],
        data={"to_formats": ["md", "text"], "page_range": ["2", "2"]},
    )
    assert result["status"] == "success"
    assert "108.00" in result["document"]["text_content"]
    assert "letter" not in result["document"]["md_content"]
    inside = {"kind": "file", "base64_string": base64.b64encode(document.read_bytes()).decode(), "filename": "a.pdf"}
    result = client.convert("/v1/convert/source", json={"sources": [inside], "options": {"to_formats": ["html"]}})
    assert "<p>A letter.</p>" in result["document"]["html_content"]


def test_our_own_client(service: RunningService, key: str, document: Path) -> None:
    """The commands of docs/clients/README.md, as a person types them."""

    def apiv2(*arguments: str) -> str:
        places = {"PYTHONPATH": str(ROOT / "docs/clients/python"), "APIV2_URL": f"{service.url}/", "APIV2_KEY": key}
        command = [sys.executable, "-m", "apiv2", *arguments]
        done = subprocess.run(command, env={**os.environ, **places}, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return done.stdout.strip()

    assert "108.00" in apiv2("ask", str(document), "What is the total amount?", "--model", "local")
    file_id = apiv2("upload", str(document))
    task = json.loads(apiv2("ask", file_id, "What is the total amount?", "--pages", "2", "--json"))
    assert task["result"]["citations"][0]["page"] == 2
    assert json.loads(apiv2("status", task["task_id"]))["status"] == "completed"
    assert "local\t" in apiv2("models")


def test_the_pages_calls(service: RunningService, key: str) -> None:
    """Each curl of docs/clients/README.md, as it is printed there."""
    require("bash", "curl")
    calls = re.findall(r"^    (curl .*(?:\n +.*)*)", (ROOT / "docs/clients/README.md").read_text(), re.MULTILINE)
    replies = []
    for call in calls:
        command = call.replace("http://127.0.0.1:3000", service.url)
        environment = {"PATH": os.environ["PATH"], "KEY": key}
        done = subprocess.run(
            ["bash", "-c", command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
        )
        replies.append(json.loads(done.stdout))
    loaded, converted = replies
    assert loaded[1]["metadata"]["page"] == 2
    assert "3,760.08" in converted["document"]["text_content"]


def test_this_host_is_no_source(service: RunningService, key: str) -> None:
    sources = [{"kind": "http", "url": f"{service.url}/api/version"}]
    reply = httpx.post(f"{service.url}/v1/convert/source", json={"sources": sources}, headers={"X-Api-Key": key})
    assert (reply.status_code, reply.json()["code"]) == (422, "address_not_allowed")


def test_a_document_larger_than_other_bodies_is_refused_by_its_length(service: RunningService, key: str) -> None:
    """Through the real server: a body of 3 MB, where others may have 2.5, arrives; one beyond the limit is not read."""
    headers = {"Authorization": f"Bearer {key}", "X-Filename": "a.txt"}
    text = b"A line of text.\n" * 200_000
    reply = httpx.put(f"{service.url}/api/v2/process", content=text, headers=headers, timeout=60)
    assert reply.status_code == 200, reply.text
    connection = http.client.HTTPConnection(service.url.removeprefix("http://"), timeout=30)
    connection.putrequest("PUT", "/api/v2/process")
    for name, value in {**headers, "Content-Length": str(60 * 1024 * 1024)}.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413
    assert b"File too large. Maximum size: 50.0MB" in answer.read()


def test_a_conversion_survives_a_restart(tmp_path: Path) -> None:
    with running_service(tmp_path / "data", API_V2_MAX_CONCURRENT=1) as first:
        key = first.key
        files = [("files", ("bill.png", samples.picture())), ("files", ("a.txt", b"Some text."))]
        begun = httpx.post(f"{first.url}/v1/convert/file/async", files=files, headers={"X-Api-Key": key}, timeout=60)
        task = begun.json()["task_id"]
    with running_service(tmp_path / "data") as second:
        ask = {"headers": {"X-Api-Key": key}, "timeout": 150}
        state = httpx.get(f"{second.url}/v1/status/poll/{task}", params={"wait": 60}, **ask).json()
        assert state["task_status"] == "success", state
        assert state["task_meta"]["num_succeeded"] == 2
        assert httpx.get(f"{second.url}/v1/result/{task}", **ask).headers["content-type"] == "application/zip"
