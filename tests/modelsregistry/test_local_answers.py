"""The built-in model answers from the document, quotes it as it stands, and says so when it finds nothing."""

from __future__ import annotations

import time

import pytest

from modelsregistry.contract import Endpoint, GenerationRequest, GenerationResult, SourcePage
from modelsregistry.drivers.local import LocalDriver


def ask(question: str, *texts: str, **settings: object) -> GenerationResult:
    pages = tuple(SourcePage(number, text) for number, text in enumerate(texts, start=1))
    request = GenerationRequest(
        model="local",
        question=question,
        instruction=question,
        pages=pages,
        deadline=time.monotonic() + 60,
        **settings,  # type: ignore[arg-type]
    )
    result = LocalDriver(Endpoint("local")).generate(request)
    for passage in result.passages or ():
        page = next(page for page in pages if page.number == passage.page)
        assert " ".join(passage.text.split()) in " ".join(page.text.split())
        assert 0.0 <= passage.score <= 1.0
    return result


REPORT = """# Incident report

## Root cause

A full disk stopped the primary database at 10:05. The alert had been muted for a week.

## Impact

Customers could not order for 42 minutes. The loss is put at $12,300.

## Measures

- Alerts go to two people.
- Disks are checked every night.
- The muted alert was removed.
"""

COMPANY = (
    "Brightwater Ltd was founded in 1998 in Leeds. The director of the company is Jane Miller. "
    "It has 120 employees and makes pumps. A pump is a machine that moves water."
)


def test_it_works() -> None:
    result = ask("What is the total amount?", "Seller: Brightwater Ltd\nSubtotal $1,000.00\nTotal $1,234.50")

    assert result.text == "$1,234.50 (page 1)"
    assert [(passage.page, passage.text) for passage in result.passages or ()] == [(1, "Total $1,234.50")]
    assert result.details["engine"] == "evidence"


def test_the_page_is_the_one_that_holds_the_answer() -> None:
    result = ask("What is the total amount?", "A letter.\nIt goes on.", "Total due: € 71,00")

    assert result.text == "€ 71,00 (page 2)"


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("How many employees are there?", "120"),
        ("When was the company founded?", "1998"),
        ("Who is the director?", "The director of the company is Jane Miller."),
        ("What is a pump?", "A pump is a machine that moves water."),
    ],
)
def test_prose_is_answered_by_the_type_of_the_question(question: str, answer: str) -> None:
    assert ask(question, COMPANY).text == f"{answer} (page 1)"


def test_a_heading_is_answered_by_what_stands_under_it() -> None:
    text = ask("What is the root cause?", REPORT).text

    assert text.startswith("A full disk stopped the primary database") or "- A full disk" in text
    assert "# " not in text


def test_a_list_is_given_item_by_item() -> None:
    result = ask("List the measures", REPORT)

    assert result.text.splitlines() == [
        "- Alerts go to two people. (page 1)",
        "- Disks are checked every night. (page 1)",
        "- The muted alert was removed. (page 1)",
    ]
    assert len(result.passages or ()) == 3


def test_a_table_answers_the_sentence_that_announces_it() -> None:
    page = (
        "Here is what a respectful duck could eat:\n\n| Part | Food |\n|---|---|\n| Leaves | Ash |\n| Grain | Corn |\n"
    )

    assert "Leaves · Ash (page 1)" in ask("What do ducks eat?", page).text


def test_a_number_counts_only_beside_what_is_counted() -> None:
    page = "In 1914 the company ran 15 mills in the north. Its employees were paid well by the company."

    assert ask("How many employees does the company have?", page).text == "The document does not say."


def test_a_scale_belongs_to_the_sum() -> None:
    assert ask("What was the revenue?", "The revenue grew to $9 million in four years.").text == "$9 million (page 1)"


def test_every_part_of_a_prompt_gets_its_line() -> None:
    result = ask("When was the company founded and who is the director?", COMPANY)

    first, second = result.text.splitlines()
    assert "1998" in first
    assert "Jane Miller" in second


def test_named_fields_are_answered_one_by_one() -> None:
    page = "INVOICE\nInvoice number: A-17\nDate: 3 May 2021\nTotal: $20.00"

    assert ask("Extract the invoice number, the date and the total", page).text.splitlines() == [
        "Invoice number: A-17 (page 1)",
        "Date: 3 May 2021 (page 1)",
        "Total: $20.00 (page 1)",
    ]


def test_a_numbered_list_of_questions_is_several_questions() -> None:
    text = ask("1. What is the total?\n2. Who is the director?", COMPANY, "Total: $20.00").text

    assert "$20.00 (page 2)" in text
    assert "Jane Miller" in text


def test_a_part_without_an_answer_says_so_beside_the_others() -> None:
    first, second = ask("What is the total? What is the IBAN?", "Total: $20.00").text.splitlines()

    assert "$20.00" in first
    assert second.endswith("The document does not say.")


@pytest.mark.parametrize(
    "question",
    [
        "What is the capital of France?",
        "Who is the chief executive?",
        "What is the total amount?",
        "What is the invoice number?",
        "When does the warranty expire?",
        "How many parking lots are there?",
        "zzzz qqqq",
        "????? !!!",
    ],
)
def test_what_the_document_does_not_hold_is_not_invented(question: str) -> None:
    result = ask(question, "The cat sat on the mat, and the dog looked on. Later it rained for a while.")

    assert result.text == "The document does not say."
    assert result.passages == ()


@pytest.mark.parametrize("texts", [(), ("",), ("  \n\t ", "\n")])
def test_a_document_without_text_is_named_as_such(texts: tuple[str, ...]) -> None:
    result = ask("What is shown here?", *texts)

    assert "no text" in result.text
    assert "vision" in result.text
    assert result.passages == ()


@pytest.mark.parametrize(
    "prompt",
    ["Extract all the text", "Extract the text from this document.", "Transcribe the document", "Convert to markdown"],
)
def test_the_reading_itself_can_be_asked_for(prompt: str) -> None:
    result = ask(prompt, "# One\n\nFirst page.", "Second page.")

    assert "# One\n\nFirst page." in result.text
    assert result.text.index("First page.") < result.text.index("Second page.")


def test_a_page_can_be_named() -> None:
    assert ask("What is the total on page 2?", "Total: $1.00", "Total: $2.00").text == "$2.00 (page 2)"
    assert ask("What is the total on page 9?", "Total: $1.00").text == "The document does not say."


def test_a_summary_is_sentences_of_the_document_in_reading_order() -> None:
    pages = [
        "The survey asked farmers about water. Most farmers said that water is scarce in summer.",
        "Wells were drilled in the valley, and the wells give the farmers water in summer. The weather was nice.",
        "The survey concludes that deeper wells help farmers when water is scarce. Lunch was served at noon on Monday.",
    ]
    result = ask("Summarise the document", *pages)

    cited = [passage.page for passage in result.passages or ()]
    assert cited == sorted(cited)
    assert len(set(cited)) > 1
    assert all("(page " in line for line in result.text.splitlines())


def test_the_summary_of_an_invoice_is_its_fields() -> None:
    text = ask("Summarise", "Brightwater Ltd\nInvoice No: 77\nDate: 2020-01-02\nPump 10.00\nTotal: 10.00").text

    assert "Total: 10.00 (page 1)" in text
    assert "Invoice number: 77 (page 1)" in text


def test_running_heads_are_no_part_of_a_summary() -> None:
    pages = [
        f"Annual report of the water board\nIn year {year} the board drilled wells for {year} farms in the valley.\n"
        for year in (2001, 2002, 2003, 2004)
    ]
    assert "Annual report" not in ask("Summarise", *pages).text


def test_the_same_question_gets_the_same_answer() -> None:
    assert ask("Summarise", REPORT, COMPANY) == ask("Summarise", REPORT, COMPANY)


@pytest.mark.parametrize(
    "text",
    [
        "\x00\x01\ufffd",
        "|" * 5000,
        "[" * 5000 + "(" * 5000,
        "1" * 20000,
        "1,1.1,1." * 3000,
        "a@" * 5000,
        "Total " * 4000,
        "..." * 5000,
        "| a " * 3000 + "|",
        "12/12/" * 3000,
        "\n".join(["Total:"] * 500),
        "x" * 100_000,
        "Date: 99/99/9999",
        "会社は東京にあります。電話番号は未定です。",
        "שלום עולם. مرحبا بالعالم.",
    ],
)
@pytest.mark.parametrize(
    "question",
    ["What is the total amount?", "What is the date?", "What is the invoice number?", "Who issued it?", "Summarise"],
)
def test_hostile_text_is_answered_and_soon(text: str, question: str) -> None:
    assert ask(question, text).text
