"""Pages are read as a person reads them: down the columns, tables as tables, without heads and feet."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import pytest
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from processing.documents import pdf_accents
from processing.documents.contract import Page, ReadOptions
from processing.documents.formats.pdf import FORMAT
from processing.documents.limits import Limits

WIDTH, HEIGHT = A4
LEFT = [f"left column {number} with words enough to fill it" for number in range(1, 13)]
RIGHT = [f"right column {number} with words enough to fill it" for number in range(1, 13)]
PROSE = [f"This is line {number} of a text that runs across the whole of the page and on." for number in range(1, 21)]


def drawn(draw: Callable[[Canvas], None], **options: object) -> Page:
    """The page that `draw` makes on an A4 sheet, read."""
    buffer = io.BytesIO()
    sheet = Canvas(buffer, pagesize=A4)
    sheet.setFont("Helvetica", 10)
    draw(sheet)
    sheet.save()
    return next(FORMAT.read(io.BytesIO(buffer.getvalue()), ReadOptions(ocr=False), Limits()).pages)


def write(sheet: Canvas, lines: Sequence[str], x: float = 60, y: float = 700, step: float = 14) -> None:
    for number, line in enumerate(lines):
        sheet.drawString(x, y - step * number, line)


def table(sheet: Canvas, rows: Sequence[Sequence[str]], x: float = 60, y: float = 400, step: float = 15) -> None:
    for number, row in enumerate(rows):
        for column, cell in enumerate(row):
            sheet.drawString(x + 110 * column, y - step * number, cell)


def in_order(text: str, *wanted: str) -> bool:
    places = [text.find(each) for each in wanted]
    return -1 not in places and places == sorted(places)


def test_it_works() -> None:
    page = drawn(lambda sheet: write(sheet, PROSE))
    assert page.text.splitlines() == PROSE


def test_a_plain_page_takes_the_plain_way() -> None:
    assert drawn(lambda sheet: write(sheet, PROSE)).method == "text"


def test_columns_written_across_are_read_downwards() -> None:
    def draw(sheet: Canvas) -> None:
        for number in range(len(LEFT)):
            sheet.drawString(60, 700 - 14 * number, LEFT[number])
            sheet.drawString(310, 700 - 14 * number, RIGHT[number])

    page = drawn(draw)
    assert page.method == "layout"
    assert in_order(page.text, *LEFT, *RIGHT)


def test_columns_of_unequal_length_come_between_what_spans_both() -> None:
    def draw(sheet: Canvas) -> None:
        write(sheet, PROSE[:3], y=760)
        for number in range(len(LEFT)):
            sheet.drawString(60, 700 - 14 * number, LEFT[number])
            if number < 7:
                sheet.drawString(310, 700 - 14 * number, RIGHT[number])
        write(sheet, PROSE[3:6], y=500)

    assert in_order(drawn(draw).text, *PROSE[:3], *LEFT, *RIGHT[:7], *PROSE[3:6])


def test_columns_that_the_file_has_in_order_stay_in_its_order() -> None:
    def draw(sheet: Canvas) -> None:
        write(sheet, RIGHT, x=310)
        write(sheet, LEFT)

    assert in_order(drawn(draw).text, RIGHT[-1], LEFT[0])


def test_numbered_parts_are_read_by_their_numbers() -> None:
    def draw(sheet: Canvas) -> None:
        for number, x, y in ((1, 60, 700), (3, 310, 700), (2, 60, 500), (4, 310, 500)):
            write(sheet, [f"{number}. Part", *LEFT[:5]], x=x, y=y)

    assert in_order(drawn(draw).text, "1. Part", "2. Part", "3. Part", "4. Part")


@pytest.mark.parametrize("method", ["text", "layout"])
def test_heads_feet_and_page_numbers_are_left_out(method: str) -> None:
    def draw(sheet: Canvas) -> None:
        sheet.drawString(60, 815, "A Journal of Something")
        sheet.drawRightString(535, 815, "417")
        write(sheet, PROSE)
        if method == "layout":
            table(sheet, [["Item", "Pieces", "Price"], ["Tea", "2", "4.30"], ["Rice", "1", "7.60"]])
        sheet.drawCentredString(WIDTH / 2, 30, "Downloaded from somewhere")
        sheet.drawCentredString(WIDTH / 2, 15, "417 / 530")

    page = drawn(draw)
    assert page.method == method
    assert page.text.startswith(PROSE[0])
    assert not any(each in page.text for each in ("Journal", "Downloaded", "417"))


def test_a_title_and_what_stands_alone_are_no_heads() -> None:
    def title(sheet: Canvas) -> None:
        sheet.setFont("Helvetica-Bold", 24)
        sheet.drawString(60, 800, "The Title")
        sheet.setFont("Helvetica", 10)
        write(sheet, PROSE)

    assert drawn(title).text.startswith("# The Title")
    assert drawn(lambda sheet: sheet.drawString(60, 820, "Alone")).text == "Alone"


def test_a_block_of_lines_at_the_foot_is_kept() -> None:
    def draw(sheet: Canvas) -> None:
        write(sheet, PROSE)
        write(sheet, ["Shop Ltd", "Bank 12345", "Tax 6789"], y=55, step=12)

    assert "Bank 12345" in drawn(draw).text


def test_a_stamp_in_the_margin_is_left_out() -> None:
    def draw(sheet: Canvas) -> None:
        write(sheet, PROSE)
        sheet.translate(25, 300)
        sheet.rotate(90)
        sheet.drawString(0, 0, "Preprint of some day in May")

    page = drawn(draw)
    assert "Preprint" not in page.text
    assert in_order(page.text, *PROSE)


@pytest.mark.parametrize("ruled", [True, False])
def test_a_table_becomes_markdown(ruled: bool) -> None:
    rows = [["Item", "Pieces", "Price"], ["Green tea", "2", "4.30"], ["Rice", "", "7.60"], ["Total", "3", "11.90"]]

    def draw(sheet: Canvas) -> None:
        write(sheet, PROSE[:4])
        if ruled:
            sheet.grid([55, 165, 275, 385], [410 - 15 * number for number in range(5)])
        table(sheet, rows)
        write(sheet, PROSE[4:6], y=300)

    page = drawn(draw)
    assert page.method == "layout"
    assert (
        "| Item | Pieces | Price |\n| --- | --- | --- |\n| Green tea | 2 | 4.30 |\n| Rice |  | 7.60 |\n"
        "| Total | 3 | 11.90 |" in page.text
    )
    assert in_order(page.text, PROSE[3], "| Item", PROSE[4])


def test_a_heading_over_several_columns_stands_over_each_of_them() -> None:
    def draw(sheet: Canvas) -> None:
        write(sheet, PROSE[:4])
        sheet.drawCentredString(295, 415, "Year ended")
        table(
            sheet, [["", "2023", "2024", "2025"], ["Sales", "1,136", "876", "680"], ["Costs", "$ 178", "$ 141", "$ 9"]]
        )

    assert "|  | Year ended | Year ended | Year ended |\n" in drawn(draw).text


def test_cells_of_several_lines_stay_one_cell() -> None:
    def draw(sheet: Canvas) -> None:
        table(sheet, [["Item", "Made by", "Price"], ["Tea", "A firm", "4.30"], ["Rice", "Another", "7.60"]], step=40)
        sheet.drawString(170, 348, "in the south")

    assert "| Tea | A firm in the south | 4.30 |" in drawn(draw).text


def test_a_bar_in_a_cell_is_escaped() -> None:
    page = drawn(lambda sheet: table(sheet, [["Item", "No", "Price"], ["a|b", "2", "4.30"], ["c", "1", "7.60"]]))
    assert "| a\\|b | 2 | 4.30 |" in page.text


def test_a_list_is_no_table() -> None:
    def draw(sheet: Canvas) -> None:
        write(sheet, PROSE[:3])
        for number in range(5):
            sheet.drawString(60, 600 - 15 * number, f"{number + 1}.")
            sheet.drawString(90, 600 - 15 * number, f"point {number + 1} of the list")

    text = drawn(draw).text
    assert "|" not in text
    assert in_order(text, "point 1", "point 5")


def test_a_table_of_contents_and_a_formula_are_no_tables() -> None:
    def draw(sheet: Canvas) -> None:
        write(sheet, PROSE[:3])
        table(
            sheet,
            [[f"{number}.", "A chapter of it", ". . . . . . . . .", f"{number}7"] for number in range(1, 6)],
            y=640,
        )
        table(sheet, [["sum =", "a", "+ b"], ["= c", "{ d", "}"], ["= e", "f", "∈ g"]], y=500)

    assert "| --- |" not in drawn(draw).text


def test_labels_and_their_values_share_a_line() -> None:
    def draw(sheet: Canvas) -> None:
        write(sheet, PROSE[:3])
        for number, (label, value) in enumerate([("Name:", "Ada"), ("Town:", "London"), ("Born:", "1815")]):
            sheet.drawString(60, 600 - 15 * number, label)
            sheet.drawString(250, 600 - 15 * number, value)

    assert "Town:  London" in drawn(draw).text.splitlines()


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_turned_page_is_read_as_it_is_shown(turn: int) -> None:
    """The text is written so that it stands upright once the page is turned."""

    def draw(sheet: Canvas) -> None:
        sheet.setPageRotation(turn)
        if turn == 90:
            sheet.translate(WIDTH, 0)
        elif turn == 180:
            sheet.translate(WIDTH, HEIGHT)
        else:
            sheet.translate(0, HEIGHT)
        sheet.rotate({90: 90, 180: 180, 270: -90}[turn])
        for number in range(len(LEFT)):
            sheet.drawString(60, 500 - 14 * number, LEFT[number])
            sheet.drawString(310, 500 - 14 * number, RIGHT[number])

    page = drawn(draw)
    assert in_order(page.text, *LEFT, *RIGHT)


@pytest.mark.parametrize("turn", [90, -90, 180])
def test_text_that_lies_on_its_side_is_read(turn: int) -> None:
    def draw(sheet: Canvas) -> None:
        sheet.translate(WIDTH / 2, HEIGHT / 2)
        sheet.rotate(turn)
        table(sheet, [["Item", "Pieces", "Price"], ["Tea", "2", "4.30"], ["Rice", "1", "7.60"]], x=-200, y=100)
        write(sheet, PROSE[:5], x=-200, y=0)

    page = drawn(draw)
    assert "| Tea | 2 | 4.30 |" in page.text
    assert in_order(page.text, "| Tea", *PROSE[:5])


def test_words_cut_at_the_end_of_a_line_are_whole_again() -> None:
    page = drawn(
        lambda sheet: write(sheet, ["A line that ends in a hyphen as infor-", "mation does, and another line"])
    )
    assert "information does" in page.text


def test_headings_and_bullets_are_marked() -> None:
    def draw(sheet: Canvas) -> None:
        sheet.setFont("Helvetica-Bold", 14)
        sheet.drawString(60, 720, "Findings")
        sheet.setFont("Helvetica", 10)
        write(sheet, [*PROSE[:5], "• one point", "• another point"], y=690)

    lines = drawn(draw).text.splitlines()
    assert lines[0] == "## Findings"
    assert lines[-2:] == ["- one point", "- another point"]


def test_a_footnote_comes_after_the_text() -> None:
    def draw(sheet: Canvas) -> None:
        for number in range(len(LEFT)):
            sheet.drawString(60, 700 - 14 * number, LEFT[number])
            sheet.drawString(310, 700 - 14 * number, RIGHT[number])
        sheet.setFont("Helvetica", 7)
        sheet.drawString(
            60, 150, "1 A note that says where all this was found, in smaller letters and across the page."
        )

    assert in_order(drawn(draw).text, *LEFT, *RIGHT, "1 A note")


def test_an_accent_beside_its_letter_is_put_on_it() -> None:
    text = "Jan Min ´ ak"
    boxes = [(10.0 * place, 0.0, 10.0 * place + 10, 12.0) for place in range(len(text))]
    boxes[8] = (101.0, 0.0, 107.0, 12.0)  # the sign, over the letter after it
    boxes[10] = (70.0 + 0.5, 0.0, 80.0, 12.0)
    boxes[8] = (72.0, 0.0, 78.0, 12.0)
    restored = pdf_accents.restored(text, lambda places: [boxes[place] for place in places])
    assert len(restored) == len(text)
    assert restored.replace(pdf_accents.NOTHING, "") == "Jan Minák"


def test_nothing_is_asked_of_a_text_without_loose_accents() -> None:
    def boxes(places: Sequence[int]) -> list[pdf_accents.Box]:
        raise AssertionError

    assert pdf_accents.restored("Jan Minák", boxes) == "Jan Minák"
