"""The assertions by which the reading is measured hold where they should, and only there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import evaluation
from evaluation import near
from evaluation.assertions import Assertion

TABLE = "Text\n\n|  | 2023 | 2024 |\n| --- | --- | --- |\n| Sales | 1 | 2 |\n| a\\|b | 3 | 4 |\n"


def holds(page: str, kind: str, **wanted: Any) -> bool:
    return Assertion("a.pdf", 1, "a", kind, wanted).holds(page)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"text": "two   'words'"}, True),
        ({"text": "Two 'words'"}, False),
        ({"text": "Two 'words'", "case_sensitive": False}, True),
        ({"text": "two 'word5'", "max_diffs": 1}, True),
        ({"text": "twq 'word5'", "max_diffs": 1}, False),
        ({"text": "two", "last_n": 8}, False),
        ({"text": "two", "first_n": 12}, True),
    ],
)
def test_presence_and_absence(wanted: dict[str, Any], expected: bool) -> None:
    page = "Here are **two**\n‘words’ to be found."
    assert holds(page, "present", **wanted) is expected
    assert holds(page, "absent", **wanted) is not expected


def test_order() -> None:
    assert holds("one two three", "order", before="one", after="three")
    assert not holds("one two three", "order", before="three", after="one")
    assert not holds("one two three", "order", before="one", after="four")


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"cell": "2", "left": "1", "up": "2024", "down": "4"}, True),
        ({"cell": "4", "top_heading": "2024", "left_heading": "a|b"}, True),
        ({"cell": "4", "top_heading": "2023"}, False),
        ({"cell": "4", "right": "5"}, False),
        ({"cell": "Text"}, False),
    ],
)
def test_cells(wanted: dict[str, Any], expected: bool) -> None:
    assert holds(TABLE, "table", **wanted) is expected


def test_the_baseline() -> None:
    assert holds("words", "baseline")
    assert not holds("", "baseline")
    assert not holds("ab" * 40, "baseline")
    assert holds("ab", "baseline", max_length=10)


def test_math_is_not_checked() -> None:
    assert not holds("$x$", "math", math="x")


def test_a_text_is_found_where_it_begins() -> None:
    assert near.starts("needle", "hay neadle hay", 1) == [4]
    assert near.starts("aa", "aaa", 0) == [0, 1]
    assert near.likeness("abcd", "abed") == 0.75


def test_it_says_that_the_corpus_is_missing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "evaluation", "reading", "--corpus", str(tmp_path / "none")]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=Path(evaluation.__file__).parent.parent
    )
    assert done.returncode == 0
    assert "There is no corpus" in done.stdout
