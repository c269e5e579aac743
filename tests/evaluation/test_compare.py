"""Answers and citations are compared with true values as a person compares them."""

from __future__ import annotations

import pytest

from benchmarks.compare import holds_date, holds_number, same_date, same_number


@pytest.mark.parametrize(
    ("text", "same", "held"),
    [
        ("86.00", True, True),
        ("TOTAL RM 86,00", True, True),
        ("TOTAL 2 86.00", False, True),
        ("86.00 of 90.00", False, True),
        ("8.60", False, False),
        ("no number", False, False),
    ],
)
def test_numbers(text: str, same: bool, held: bool) -> None:
    assert same_number(text, "$86.00") is same
    assert holds_number(text, "$86.00") is held


@pytest.mark.parametrize(
    ("text", "same", "held"),
    [
        ("18 March 2018", True, True),
        ("2018-03-18", True, True),
        ("18032018", True, True),
        ("Pump 4, 18/03/18 10:25", False, True),
        ("Date: 18/03/201810:25", False, True),
        ("18/03/17", False, False),
        ("no day", False, False),
    ],
)
def test_dates(text: str, same: bool, held: bool) -> None:
    assert same_date(text, "18/03/18") is same
    assert holds_date(text, "18/03/18") is held
