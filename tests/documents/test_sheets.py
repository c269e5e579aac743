"""Workbooks become a page for each sheet, with values as a person sees them; sheets that mean harm are refused."""

from __future__ import annotations

import datetime
import io

import pytest

from processing.documents import registry
from processing.documents.contract import Page, ReadOptions, UnreadableDocument
from processing.documents.limits import Limits
from processing.documents.sheets import workbook
from processing.documents.sheets.values import PLAIN, Shape, shape_of, shown
from tests.documents import compound, samples

SHEET = "xl/worksheets/sheet1.xml"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def read(name: str, content: bytes, limits: Limits = Limits()) -> list[Page]:  # noqa: B008
    return list(registry.named(name).read(io.BytesIO(content), ReadOptions(), limits).pages)


def with_cells(rows: str) -> bytes:
    xml = f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>'
    return samples.repacked(samples.excel(), {SHEET: xml.encode()})


def refusal(name: str, content: bytes) -> str:
    with pytest.raises(UnreadableDocument) as caught:
        read(name, content)
    return caught.value.code


def test_it_works() -> None:
    prices, empty, hidden = read("xlsx", samples.excel())
    assert prices.text == (
        "# Prices\n\nPrice list\n\n| Item | Since | Discount | Price | Sum |\n| --- | --- | --- | --- | --- |\n"
        "| a\\|b | 2026-05-01 | 7.5% | 1234.50 | 2469 |\n\nComments:\n\n- D4: Eve: Without tax"
    )
    assert empty.text == "# Empty"
    assert hidden.text == "# Hidden (hidden)\n\nsecret"


def test_the_older_format_and_opendocument_read_alike() -> None:
    assert [page.text for page in read("xls", compound.workbook())] == [
        "# Prices\n\n| Item | Price |\n| --- | --- |\n| Tea | 4.5 |"
    ]
    assert [page.text for page in read("ods", samples.spreadsheet())] == [
        "# Prices\n\n| Item | Discount |\n| --- | --- |\n| Tea | 7.5% |"
    ]


@pytest.mark.parametrize(
    ("value", "shape", "text"),
    [
        (0.1 + 0.2, PLAIN, "0.3"),
        (42.0, PLAIN, "42"),
        (-5, PLAIN, "-5"),
        (12345678901234567890.0, PLAIN, "1.23456789012346e+19"),
        (0.075, Shape(percent=True), "7.5%"),
        (42.5, Shape(decimals=2), "42.50"),
        (1.23456, Shape(decimals=2), "1.23456"),
        (True, PLAIN, "TRUE"),
        ("two\nlines", PLAIN, "two lines"),
        (datetime.datetime(2026, 5, 1, 14, 30), PLAIN, "2026-05-01 14:30"),  # noqa: DTZ001
        (datetime.timedelta(hours=26, minutes=5), PLAIN, "26:05:00"),
        (None, PLAIN, ""),
    ],
)
def test_a_value_is_what_a_person_sees(value: object, shape: Shape, text: str) -> None:
    assert shown(value, shape) == text


@pytest.mark.parametrize(
    ("code", "shape"),
    [
        ("0.0%", Shape(percent=True, decimals=1)),
        ('#,##0.00 [$€-407];[Red]-0.0" %"', Shape(decimals=2)),
        ('0" %"', PLAIN),
        ("General", PLAIN),
    ],
)
def test_a_number_format_tells_percent_and_decimals(code: str, shape: Shape) -> None:
    assert shape_of(code) == shape


def test_empty_rows_part_tables_and_single_rows_stay_together() -> None:
    def parted(*rows: str) -> list[list[str]]:
        return [["".join(row) for row in block] for block in workbook.blocks([list(row) for row in rows])]

    nothing = ""
    assert parted("T", nothing, "ab", "cd", nothing, "ef", "gh") == [["T"], ["ab", "cd"], ["ef", "gh"]]
    assert parted("ab", nothing, "cd", nothing, "ef") == [["ab", "cd", "ef"]]
    assert parted("ab", "cd", nothing, "ef") == [["ab", "cd", "ef"]]


def test_errors_of_formulas_do_not_break_the_sheet() -> None:
    page = read("xlsx", with_cells('<row><c t="e"><v>#DIV/0!</v></c><c><v>7</v></c></row>'))[0]
    assert "7" in page.text


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("xlsx", with_cells('<row r="1"><c r="A1"><v>1</v></c><c r="XFD1048576"><v>2</v></c></row>')),
        ("xlsx", with_cells(f"<row>{'<c><v>1</v></c>' * 20_000}</row>")),
        (
            "ods",
            samples.spreadsheet(
                "<table:table-row table:number-rows-repeated='99999999999'><table:table-cell office:value='1' "
                "office:value-type='float' table:number-columns-repeated='9999999'/></table:table-row>"
            ),
        ),
    ],
)
def test_a_sheet_that_spans_too_much_is_refused_before_it_is_held(name: str, content: bytes) -> None:
    assert refusal(name, content) == "document_too_complex"


def test_a_document_type_definition_is_refused() -> None:
    xml = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'
    assert refusal("xlsx", samples.repacked(samples.excel(), {SHEET: xml})) == "document_broken"
    assert refusal("ods", samples.repacked(samples.spreadsheet(), {"content.xml": xml})) == "document_broken"


@pytest.mark.parametrize(("name", "other"), [("xlsx", "docx"), ("xlsx", "ods"), ("ods", "odt"), ("xls", "msg")])
def test_a_package_is_what_it_holds_and_not_what_it_is_called(name: str, other: str) -> None:
    assert refusal(name, samples.one_of_each()[other]) == "type_mismatch"


def test_older_word_is_named() -> None:
    with pytest.raises(UnreadableDocument, match="older Word format") as caught:
        read("xls", compound.old_word())
    assert caught.value.code == "type_mismatch"
