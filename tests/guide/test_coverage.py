"""docs/guide-coverage.md has a row for every heading and block of the guide, and what it names is there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.guide.guide import guide
from tests.stack.service import ROOT

PAGE = (ROOT / "docs/guide-coverage.md").read_text()
ROWS = [
    tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1])
    for line in PAGE.splitlines()
    if line.startswith(("| `#", "| block "))
]
NAMED = sorted({name for _, where, proof in ROWS for name in re.findall(r"`([^`]+)`", f"{where} {proof}")})
# A path begins with a directory of the repository; everything else is a variable, an endpoint or a program.
PATHS = [name for name in NAMED if re.match(r"(README\.md$|(apiv2project|deploy|docs|processing|tests)/)", name)]


def test_it_works() -> None:
    """Every heading and block, in the guide's order."""
    expected = []
    for count, heading in enumerate(guide().headings, 1):
        expected.append(f"`{'#' * heading.level} {heading.text}`")
        expected += [
            f"block {block.number}, {block.language}: `{block.first_line}`"
            for block in guide().blocks
            if block.under == count
        ]
    assert [first for first, _, _ in ROWS] == expected


def test_every_row_says_where() -> None:
    assert [row for row in ROWS if not row[1]] == []


def test_every_block_has_a_proof_or_a_reason() -> None:
    for first, where, proof in ROWS:
        if first.startswith("block "):
            assert "::" in proof or re.search(r"`tests/\S+\.py`", proof) or "Not run here: " in where, first


@pytest.mark.parametrize("named", PATHS)
def test_what_is_named_is_there(named: str) -> None:
    path, _, test = named.partition("::")
    assert (ROOT / path).exists(), f"{path} is missing"
    if test:
        assert test in names_in(ROOT / path), f"{path} has no {test}"


@pytest.mark.parametrize("document", ["API_V2_DOCUMENTATION.md", "API_V2_ENDPOINTS.md", "TROUBLESHOOTING.md"])
def test_the_documents_that_the_guide_links_to_are_there(document: str) -> None:
    assert (ROOT / "docs" / document).is_file()
    assert f"({document})" in PAGE


@cache
def names_in(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
