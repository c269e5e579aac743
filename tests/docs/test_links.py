"""Every link from one page to another leads to a page, and to a heading, that is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs import pages
from tests.stack.service import ROOT

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def prose(path: Path) -> str:
    """Without what is code."""
    text = re.sub(r"^\s*```.*?^\s*```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", lambda found: found[0].replace("[", "").replace("]", ""), text)


def anchors(path: Path) -> set[str]:
    """Of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*pages.pages(), "CHANGELOG.md"])
def test_every_link_leads_somewhere(page: str) -> None:
    for link in LINK.findall(prose(ROOT / page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_it_works() -> None:
    assert "rate-limits" in anchors(ROOT / "docs/settings.md")
    assert "../settings.md#rate-limits" in LINK.findall(prose(ROOT / "docs/clients/README.md"))
