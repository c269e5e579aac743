"""A citation is on its page word for word, or it is not made."""

from __future__ import annotations

import pytest

from modelsregistry.answering.answer import answer as answer_by_evidence
from modelsregistry.contract import GenerationResult, Passage, SourcePage, Usage
from processing.pipeline import evidence

PAGES = (
    SourcePage(1, "# Invoice 4711\n\nIssued by Example Works on 3 May 2026."),
    SourcePage(2, "Subtotal 90.00\nTotal amount due:  108.00 EUR\nThank you."),
)


def answer(text: str, passages: tuple[Passage, ...] | None = None) -> GenerationResult:
    return GenerationResult(text, "m", Usage(), passages=passages)


def test_it_works() -> None:
    found = evidence.citations(answer("108.00 EUR", (Passage(2, "Total amount due: 108.00 EUR", 0.9),)), PAGES)
    assert found == [{"page": 2, "text": "Total amount due: 108.00 EUR", "score": 0.9}]


def test_a_passage_that_is_not_on_its_page_is_not_cited() -> None:
    invented = (Passage(1, "Total amount due: 108.00 EUR", 0.9), Passage(2, "Total: 999", 0.9), Passage(9, "x", 1.0))
    assert evidence.citations(answer("108.00 EUR", invented), PAGES) == []


@pytest.mark.parametrize(
    ("page", "cited"),
    [
        ("Invoice number\n\n## 4711-A\n\nThank you", "Invoice number 4711-A"),
        ("- Invoice number:\n- 4711-A\n- Thank you", "Invoice number: 4711-A"),
        ("| Invoice number | Date |\n| --- | --- |\n| 4711-A | 3 May |", "Invoice number Date 4711-A 3 May"),
    ],
)
def test_a_label_and_a_value_on_lines_of_their_own_are_cited_together(page: str, cited: str) -> None:
    pages = (SourcePage(1, page),)
    found = answer_by_evidence("What is the invoice number?", pages, lambda: None)
    (citation,) = evidence.citations(answer(found.text, found.passages), pages)
    assert (citation["page"], " ".join(citation["text"].split())) == (1, cited)


def test_evidence_is_looked_for_when_the_model_names_none() -> None:
    found = evidence.citations(answer("The total amount due is 108.00 EUR."), PAGES)
    assert found[0]["page"] == 2
    assert found[0]["text"] == "Total amount due: 108.00 EUR"


def test_an_answer_that_shares_nothing_with_the_document_has_no_evidence() -> None:
    assert evidence.citations(answer("I like turtles."), PAGES) == []


def test_an_answer_without_words_has_no_evidence() -> None:
    assert evidence.citations(answer("…"), PAGES) == []


def test_a_page_of_empty_lines_after_a_hyphen_holds_nobody_up() -> None:
    hostile = "a-" + "\n" * 1_000_000 + "X"
    assert evidence.plain(hostile) == "a- X"
    assert evidence.citations(answer("nothing"), (SourcePage(1, hostile),)) == []


def test_words_that_are_parted_at_a_lines_end_are_whole() -> None:
    pages = (SourcePage(1, "The agree-\nment was signed by Example Works."),)
    found = evidence.citations(answer("x", (Passage(1, "The agreement was signed by Example Works.", 0.9),)), pages)
    assert found[0]["text"] == "The agreement was signed by Example Works."


def test_what_an_answer_quotes_is_cited() -> None:
    found = evidence.citations(answer("It says “Issued by Example Works on 3 May 2026”, which is clear."), PAGES)
    assert (found[0]["page"], found[0]["score"]) == (1, 1.0)
