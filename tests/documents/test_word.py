"""Word documents become pages of Markdown, and packages that mean harm are refused."""

from __future__ import annotations

import io
import re
import zipfile

import docx
import pytest

from processing.documents.contract import Page, ReadOptions, UnreadableDocument
from processing.documents.formats.docx import FORMAT
from processing.documents.limits import Limits
from tests.documents import samples

DOCUMENT = "word/document.xml"


def read(content: bytes) -> list[Page]:
    return list(FORMAT.read(io.BytesIO(content), ReadOptions(), Limits()).pages)


def body(xml: str) -> str:
    """The text of a document with this body."""
    package = samples.saved(docx.Document())
    whole = re.sub(
        rb"<w:body>.*</w:body>", f"<w:body>{xml}</w:body>".encode(), samples.member(package, DOCUMENT), flags=re.S
    )
    return "\n\f\n".join(page.text for page in read(samples.repacked(package, {DOCUMENT: whole})))


def refusal(content: bytes, limits: Limits = Limits()) -> str:  # noqa: B008
    with pytest.raises(UnreadableDocument) as caught:
        FORMAT.inspect(io.BytesIO(content), limits)
    return caught.value.code


def test_it_works() -> None:
    first, second = read(samples.word())
    assert first.text == (
        "ACME Ltd\n\n# Report\n\n- First point\n- Second point\n1. Step\n\n"
        "| Item | Price |\n| --- | --- |\n| a\\|b | 1.50 |\n| Both |  |"
    )
    assert second.text == "On the second page\n\nConfidential"


def test_a_break_that_word_repeats_counts_once() -> None:
    text = body(
        '<w:p><w:r><w:t>one</w:t><w:br w:type="page"/></w:r></w:p>'
        "<w:p><w:r><w:lastRenderedPageBreak/><w:t>two</w:t></w:r></w:p>"
        "<w:p><w:r><w:t>still two, </w:t><w:lastRenderedPageBreak/><w:t>three</w:t></w:r></w:p>"
    )
    assert text == "one\n\f\ntwo\n\nstill two,\n\f\nthree"


def test_a_table_that_crosses_a_page_keeps_its_heading() -> None:
    def row(text: str, extra: str = "") -> str:
        return f"<w:tr><w:tc><w:p><w:r>{extra}<w:t>{text}</w:t></w:r></w:p></w:tc><w:tc><w:p/></w:tc></w:tr>"

    text = body(f"<w:tbl>{row('Head')}{row('a')}{row('b', '<w:lastRenderedPageBreak/>')}</w:tbl>")
    assert text == "| Head |\n| --- |\n| a |\n\f\n| Head |\n| --- |\n| b |"


def test_cells_merged_down_say_their_text_once() -> None:
    def cell(text: str, merge: str = "") -> str:
        return f"<w:tc><w:tcPr>{merge}</w:tcPr><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:tc>"

    restart = '<w:vMerge w:val="restart"/>'
    text = body(
        f"<w:tbl><w:tr>{cell('A', restart)}{cell('1')}</w:tr>"
        f"<w:tr>{cell('A again', '<w:vMerge/>')}{cell('2')}</w:tr></w:tbl>"
    )
    assert text == "| A | 1 |\n| --- | --- |\n|  | 2 |"


def test_a_table_in_a_table_stays_in_its_cell() -> None:
    def cell(text: str) -> str:
        return f"<w:tc><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:tc>"

    inner = f"<w:tbl><w:tr>{cell('x')}{cell('y')}</w:tr></w:tbl>"
    text = body(f"<w:tbl><w:tr><w:tc>{inner}<w:p/></w:tc>{cell('z')}</w:tr></w:tbl>")
    assert text.startswith("| x, y; | z |")


def test_deleted_text_and_field_codes_are_left_out_and_inserted_text_is_kept() -> None:
    text = body(
        "<w:p><w:ins><w:r><w:t>kept</w:t></w:r></w:ins><w:del><w:r><w:delText>gone</w:delText></w:r></w:del>"
        "<w:r><w:instrText>PAGE</w:instrText></w:r></w:p>"
    )
    assert text == "kept"


def test_a_text_box_is_read_once() -> None:
    box = "<w:txbxContent><w:p><w:r><w:t>in the box</w:t></w:r></w:p></w:txbxContent>"
    mc = "http://schemas.openxmlformats.org/markup-compatibility/2006"
    text = body(
        f'<w:p><w:r><w:t>around</w:t></w:r><w:r><mc:AlternateContent xmlns:mc="{mc}"><mc:Choice>{box}</mc:Choice>'
        f"<mc:Fallback>{box}</mc:Fallback></mc:AlternateContent></w:r></w:p>"
    )
    assert text == "around\n\nin the box"


def test_a_strict_document_is_read_as_any_other() -> None:
    package = samples.word()
    strict = {
        name: samples.member(package, name)
        .replace(
            b"http://schemas.openxmlformats.org/officeDocument/2006/", b"http://purl.oclc.org/ooxml/officeDocument/"
        )
        .replace(
            b"http://schemas.openxmlformats.org/wordprocessingml/2006/", b"http://purl.oclc.org/ooxml/wordprocessingml/"
        )
        for name in zipfile.ZipFile(io.BytesIO(package)).namelist()
        if name.endswith((".xml", ".rels"))
    }
    assert [page.text for page in read(samples.repacked(package, strict))] == [page.text for page in read(package)]


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = samples.repacked(samples.word(), {"word/media/zeros.bin": bytes(8 << 20)})
    assert refusal(bomb) == "document_too_complex"
    assert refusal(samples.word(), Limits(zip_entries=3)) == "document_too_complex"
    assert refusal(samples.word(), Limits(zip_bytes=1000)) == "document_too_complex"
    assert refusal(samples.word(), Limits(xml_bytes=1000)) == "document_too_complex"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_document_type_definition_is_refused(encoding: str) -> None:
    xml = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'
    assert refusal(samples.repacked(samples.word(), {"word/styles.xml": xml.encode(encoding)})) == "document_broken"


def test_an_archive_of_something_else_is_no_word_document() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("hello.txt", "hello")
    assert refusal(buffer.getvalue()) in ("document_broken", "type_mismatch")


def test_an_encrypted_document_and_an_old_one_are_told_apart() -> None:
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500)
    assert refusal(ole + "EncryptedPackage".encode("utf-16-le")) == "document_encrypted"
    assert refusal(ole) == "type_mismatch"
