"""Delimited text becomes tables, whatever its delimiter; what is made to exhaust its reader is refused."""

from __future__ import annotations

import io

import pytest

from processing.documents import delimited
from processing.documents.contract import ReadOptions, UnreadableDocument
from processing.documents.limits import Limits


def read(content: bytes, limits: Limits = Limits()) -> list[str]:  # noqa: B008
    return [page.text for page in delimited.read(io.BytesIO(content), ",;\t|", ReadOptions(), limits).pages]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_it_works(delimiter: str, encoding: str) -> None:
    rows = ["Käse,1.50", '"a, b; c",2', "d,"]
    text = "\r\n".join(["Item,Price", *rows]).replace(",", "\0").replace("a\0 ", "a, ").replace("\0", delimiter)
    text = text.replace("a, b; c", f"a{delimiter} b")
    escaped = "\\|" if delimiter == "|" else delimiter if delimiter != "\t" else ""
    assert read(text.encode(encoding)) == [
        f"| Item | Price |\n| --- | --- |\n| Käse | 1.50 |\n| a{escaped} b | 2 |\n| d |  |"
    ]


def test_rows_of_other_lengths_lose_nothing() -> None:
    assert read(b"a,b\n1,2,3\n4\n") == ["| a | b |  |\n| --- | --- | --- |\n| 1 | 2 | 3 |\n| 4 |  |  |"]


def test_one_column_needs_no_delimiter() -> None:
    assert read(b"Name\nEve\n") == ["| Name |\n| --- |\n| Eve |"]


def test_a_long_file_is_read_in_pieces_that_each_have_the_heading() -> None:
    pages = read(b"id,name\n" + b"".join(b"%d,x\n" % number for number in range(1200)))
    assert len(pages) == 3
    assert all(page.startswith("| id | name |\n") for page in pages)
    rows = [line for page in pages for line in page.split("\n")[2:]]
    assert rows == [f"| {number} | x |" for number in range(1200)]
    content = io.BytesIO(b"id,name\n" + b"1,x\n" * 1200)
    assert delimited.inspect(content, ",", Limits()).pages == 3
    assert delimited.inspect(content, ",", Limits(counted_bytes=1000)).pages is None


@pytest.mark.parametrize(
    "content",
    [b"a" * 3000, b"a," * 3000, b'"' + b"x\n" * 1000, b'a,"' + b"x" * 1500],
    ids=["line", "columns", "quoted lines", "field"],
)
def test_what_has_no_end_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableDocument) as caught:
        read(content, Limits(line_characters=2000, columns=100, field_characters=1000))
    assert caught.value.code == "document_too_complex"
