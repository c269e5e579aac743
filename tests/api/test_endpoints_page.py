"""The page of all endpoints is what the service says of itself."""

from __future__ import annotations

import re
from typing import Any

import pytest
from rest_framework.test import APIClient

from processing.api import endpoints_page
from tests.stack.service import ROOT

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def page() -> str:
    return endpoints_page.markdown()


@pytest.fixture
def description() -> dict[str, Any]:
    body: dict[str, Any] = APIClient().get("/api/v2/openapi.json").json()
    return body


def test_it_works(page: str) -> None:
    """If this fails: .venv/bin/python manage.py endpoint_table > docs/API_V2_ENDPOINTS.md"""
    assert (ROOT / "docs/API_V2_ENDPOINTS.md").read_text() == page


def test_every_operation_is_told_once_in_a_table_and_once_by_itself(page: str, description: dict[str, Any]) -> None:
    described = sorted(f"{verb.upper()} {path}" for path, item in description["paths"].items() for verb in item)
    assert sorted(re.findall(r"^\| `([A-Z]+ /\S*)` \|", page, re.MULTILINE)) == described
    assert sorted(re.findall(r"^### `([A-Z]+ /\S*)`$", page, re.MULTILINE)) == described


def test_every_field_of_a_form_is_told_with_its_words(page: str, description: dict[str, Any]) -> None:
    told = page.partition("\n### `POST /api/v2/process`\n")[2].partition("\n### ")[0]
    fields = description["components"]["schemas"]["ProcessRequest"]["properties"]
    rows = {row[0]: row[1] for row in re.findall(r"^\| `(\w+)`(?: \*)? \| form \| (.*) \|$", told, re.MULTILINE)}
    assert rows.keys() == fields.keys()
    told_nothing = [name for name, cells in rows.items() if cells.endswith("| ")]
    assert told_nothing == []
    assert "`auto`, `force_vision`, `force_text`" in rows["vision_mode"]
    assert "0 to 2" in rows["temperature"]


def test_no_cell_breaks_its_table(page: str) -> None:
    for row in re.findall(r"^\|.*$", page, re.MULTILINE):
        assert re.sub(r"\\\|", "", row).count("|") in (4, 5), row


def test_every_link_inside_leads_to_what_a_reply_holds(page: str) -> None:
    headings = {name.lower() for name in re.findall(r"^### (\w+)$", page, re.MULTILINE)}
    links = set(re.findall(r"\(#(\w+)\)", page))
    assert {"taskstatus", "problem", "result", "citation"} <= headings
    assert links <= headings


def test_it_says_what_needs_no_key(page: str) -> None:
    assert re.search(r"^\| `GET /api/v2/health` \|.*\| nothing \|$", page, re.MULTILINE)
    assert re.search(r"^\| `GET /api/v2/models` \|.*\| nothing, unless closed \|$", page, re.MULTILINE)
    assert re.search(r"^\| `POST /api/v2/process` \|.*\| key \|$", page, re.MULTILINE)
