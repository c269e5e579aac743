"""The list of stored documents: one's own alone, newest first, page by page."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from tests.conftest import Tenant

pytestmark = pytest.mark.django_db
URL = "/api/v2/upload"


def upload(tenant: Tenant, number: int) -> Any:
    return tenant.client.post(URL, {"file": SimpleUploadedFile(f"{number}.txt", b"words %d" % number)}).json()


def test_it_works(alice: Tenant) -> None:
    stored = [upload(alice, number) for number in range(3)]
    first = alice.client.get(URL, {"page_size": 2}).json()
    second = alice.client.get(first["next"]).json()
    assert first["results"] + second["results"] == stored[::-1]
    assert second["next"] is None
    assert alice.client.get(f"{URL}/{stored[0]['file_id']}").json() == stored[0]


def test_a_stranger_sees_none_of_it(alice: Tenant, mallory: Tenant) -> None:
    file_id = upload(alice, 1)["file_id"]
    assert mallory.client.get(URL).json()["results"] == []
    assert mallory.client.get(f"{URL}/{file_id}").json()["code"] == "file_not_found"


@pytest.mark.parametrize(
    "place",
    ["abc", "", "1", "2026-05-03", "2026-05-03 12:00:00", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"],
)
def test_a_tampered_cursor_is_the_callers_error(alice: Tenant, place: str) -> None:
    upload(alice, 1)
    response = alice.client.get(URL, {"cursor": base64.b64encode(f"p={place}".encode()).decode()})
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("file_id", ["-" * 36, "0" * 36])
@pytest.mark.parametrize("method", ["get", "delete"])
def test_what_cannot_be_an_id_is_no_file(alice: Tenant, method: str, file_id: str) -> None:
    assert getattr(alice.client, method)(f"{URL}/{file_id}").json()["code"] == "file_not_found"
