"""Pages are named as a person names them, or refused with a sentence."""

from __future__ import annotations

import pytest

from processing.pipeline import page_ranges


def test_it_works() -> None:
    assert page_ranges.parse("1-3, 7") == {1, 2, 3, 7}
    assert page_ranges.parse("5-", 6) == {5, 6}


def test_what_lies_beyond_the_end_is_left_out() -> None:
    assert page_ranges.parse("2-999", 3) == {2, 3}


@pytest.mark.parametrize("text", ["0", "0-2", "3-1", "a", "", "1,,2", "-3", "1-2-3", "１x", "1.5", "9" * 1001])
def test_what_names_no_pages_is_refused(text: str) -> None:
    with pytest.raises(page_ranges.BadPages):
        page_ranges.parse(text, 10)


def test_pages_that_the_document_does_not_have_are_refused() -> None:
    with pytest.raises(page_ranges.BadPages, match="12 pages"):
        page_ranges.parse("999", 12)


def test_pages_are_shown_as_they_are_named() -> None:
    assert page_ranges.shown([7, 1, 3, 2]) == "1-3,7"
    assert page_ranges.shown([]) == ""


def test_a_page_is_named_as_often_as_one_likes_and_read_once() -> None:
    assert page_ranges.parse("1-," * 332 + "1-", 100_000) == frozenset(range(1, 100_001))
    assert page_ranges.parse("3-5,1,4-6,2-2") == {1, 2, 3, 4, 5, 6}
