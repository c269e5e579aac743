"""OpenDocument texts become pages of Markdown, and packages that mean harm are refused."""

from __future__ import annotations

import io

import pytest

from processing.documents import opentext
from processing.documents.contract import UnreadableDocument
from processing.documents.limits import Limits
from tests.documents import samples


def pages(body: str | None = None) -> list[str]:
    return opentext.pages(io.BytesIO(samples.open_text(body)), Limits())


def refusal(content: bytes) -> str:
    with pytest.raises(UnreadableDocument) as caught:
        opentext.pages(io.BytesIO(content), Limits())
    return caught.value.code


def test_it_works() -> None:
    assert pages() == [
        "## Report\n\nWords[^1] and  blanks\n\n- one\n  - deeper\n\n| a\\|b | c |\n| --- | --- |\n| both |  |\n\n"
        "end\n\n[^1]: aside",
        "of it",
    ]


def test_a_text_box_is_read_after_its_paragraph() -> None:
    box = "<draw:frame><draw:text-box><text:p>in the box</text:p></draw:text-box></draw:frame>"
    assert pages(f"<text:p>around{box}</text:p>") == ["around\n\nin the box"]


def test_deleted_text_and_comments_are_left_out() -> None:
    assert pages(
        "<text:tracked-changes><text:p>gone</text:p></text:tracked-changes>"
        "<text:p>kept<office:annotation><text:p>remark</text:p></office:annotation></text:p>"
    ) == ["kept"]


def test_repetition_is_bounded() -> None:
    row = (
        "<table:table-row table:number-rows-repeated='9999999'><table:table-cell table:number-columns-repeated='99999'>"
    )
    table = f"<table:table>{row}<text:p>x</text:p></table:table-cell></table:table-row></table:table>"
    assert refusal(samples.open_text(table)) == "document_too_complex"
    assert len("".join(pages("<text:p>a<text:s text:c='999999999'/>b</text:p>"))) < 10_000


@pytest.mark.parametrize("depth", [220, 5000])
def test_deep_nesting_is_refused(depth: int) -> None:
    body = "<text:section>" * depth + "<text:p>x</text:p>" + "</text:section>" * depth
    assert refusal(samples.open_text(body)) in ("document_too_complex", "document_broken")


def test_a_document_type_definition_is_refused() -> None:
    xml = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'
    assert refusal(samples.repacked(samples.open_text(), {"content.xml": xml})) == "document_broken"
    assert refusal(samples.spreadsheet()) == "type_mismatch"
