"""The version is told to anybody."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient


@pytest.mark.parametrize("path", ["/api/version", "/api/version/"])
def test_it_works(path: str) -> None:
    assert APIClient().get(path).json() == {"version": "2.0.0"}


def test_it_is_only_read() -> None:
    assert APIClient().post("/api/version").status_code == 405


def test_a_bad_key_does_not_hide_it() -> None:
    assert APIClient().get("/api/version", headers={"Authorization": "Bearer sk-wrong"}).status_code == 200


@pytest.mark.parametrize(("path", "target"), [("/admin", "/admin/"), ("/", "/api/v2/docs")])
def test_what_a_person_types_leads_somewhere(path: str, target: str) -> None:
    response = APIClient().get(path)
    assert (response.status_code, response["Location"]) == (302, target)
