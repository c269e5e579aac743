"""A page of the document, with the citations marked on it, for its owner alone."""

from __future__ import annotations

import io
import threading
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from processing.api import pages
from processing.queue import worker
from tests import samples
from tests.api.routes import NOBODYS
from tests.conftest import Tenant

pytestmark = pytest.mark.django_db(transaction=True)
RED_ENOUGH = 30


def answered(tenant: Tenant, name: str = "invoice.pdf", data: bytes | None = None) -> str:
    file = SimpleUploadedFile(name, samples.pdf(samples.INVOICE) if data is None else data)
    reply = tenant.client.post("/api/v2/process", {"prompt": "What is the total amount?", "file": file})
    assert reply.status_code == 200, reply.content
    assert worker.work()
    return str(reply.json()["task_id"])


def colours(png: bytes) -> int:
    """How many pixels are of a colour, on a page that is black on white."""
    with Image.open(io.BytesIO(png)) as image:
        found = image.convert("RGB")
        return sum(count for count, (r, g, b) in found.getcolors(1 << 24) if max(r, g, b) - min(r, g, b) > RED_ENOUGH)


def test_it_works(alice: Tenant) -> None:
    task = answered(alice)
    citations = alice.client.get(f"/api/v2/status/{task}").json()["result"]["citations"]
    page = citations[0]["page"]

    picture = alice.client.get(f"/api/v2/tasks/{task}/pages/{page}.png", HTTP_ACCEPT="image/png")
    places: Any = alice.client.get(f"/api/v2/tasks/{task}/pages/{page}.json").json()

    assert (picture.status_code, picture["Content-Type"]) == (200, "image/png")
    assert picture["Cache-Control"] == "private, no-store"
    assert colours(picture.content) > 100
    assert places["citations"][0]["text"] == citations[0]["text"]
    (rectangle,) = places["citations"][0]["rectangles"]
    assert 0 <= rectangle["left"] < rectangle["right"] <= 1
    assert 0 <= rectangle["top"] < rectangle["bottom"] <= 1


def test_the_picture_is_as_large_as_asked_for(alice: Tenant) -> None:
    task = answered(alice)
    with Image.open(io.BytesIO(alice.client.get(f"/api/v2/tasks/{task}/pages/1.png?side=300").content)) as image:
        assert max(image.size) == 300


def test_more_pages_at_once_than_there_are_places_for_are_refused(
    alice: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = answered(alice)
    monkeypatch.setattr(pages, "_AT_ONCE", threading.BoundedSemaphore(1))
    monkeypatch.setattr(pages, "_TURN", 0.01)
    with pages._AT_ONCE:
        refused = alice.client.get(f"/api/v2/tasks/{task}/pages/1.png")
    assert (refused.status_code, refused.json()["code"]) == (503, "busy")
    assert alice.client.get(f"/api/v2/tasks/{task}/pages/1.png").status_code == 200


def test_a_stranger_sees_no_page(alice: Tenant, mallory: Tenant) -> None:
    task = answered(alice)
    for ending in ("png", "json"):
        assert mallory.client.get(f"/api/v2/tasks/{task}/pages/1.{ending}").status_code == 404


@pytest.mark.parametrize("number", ["0", "2", "999999"])
def test_a_page_that_is_not_there(alice: Tenant, number: str) -> None:
    response = alice.client.get(f"/api/v2/tasks/{answered(alice)}/pages/{number}.png")
    assert (response.status_code, response.json()["code"]) == (404, "no_such_page")


@pytest.mark.parametrize("side", ["0", "63", "3001", "a", "-1"])
def test_a_size_that_cannot_be(alice: Tenant, side: str) -> None:
    response = alice.client.get(f"/api/v2/tasks/{answered(alice)}/pages/1.png?side={side}")
    assert response.status_code == 422
    assert "side" in response.json()["errors"]


def test_a_document_without_pages_to_be_seen(alice: Tenant) -> None:
    task = answered(alice, "invoice.txt", b"Total amount due: 108.00 EUR")
    response = alice.client.get(f"/api/v2/tasks/{task}/pages/1.png")
    assert (response.status_code, response.json()["code"]) == (404, "no_page_picture")


def test_a_document_that_is_gone(alice: Tenant) -> None:
    task = answered(alice)
    (document,) = alice.client.get("/api/v2/upload").json()["results"]
    assert alice.client.delete(f"/api/v2/upload/{document['file_id']}").status_code == 204
    response = alice.client.get(f"/api/v2/tasks/{task}/pages/1.png")
    assert (response.status_code, response.json()["code"]) == (422, "document_gone")


@pytest.mark.parametrize(
    ("path", "accepted"),
    [
        (f"/api/v2/tasks/{NOBODYS}/pages/1.png", "image/png"),
        (f"/api/v2/batches/{NOBODYS}/results?format=jsonl", "*/*"),
        (f"/api/v2/batches/{NOBODYS}/results", "application/zip"),
    ],
)
def test_what_a_view_can_do_is_told_in_json_whatever_is_accepted(alice: Tenant, path: str, accepted: str) -> None:
    response = alice.client.options(path, HTTP_ACCEPT=accepted)
    assert (response.status_code, response["Content-Type"]) == (200, "application/json")
    assert "name" in response.json()
