"""Rich text keeps headings, lists, tables and the author's pages."""

from __future__ import annotations

import io

import pytest

from processing.documents import richtext
from processing.documents.contract import UnreadableDocument
from processing.documents.formats.rtf import FORMAT
from processing.documents.limits import Limits
from tests.documents import samples


def pages(source: str) -> list[str]:
    return richtext.pages(io.BytesIO(source.encode("latin-1")), Limits())


def test_it_works() -> None:
    assert richtext.pages(io.BytesIO(samples.RTF), Limits()) == [
        "# Report\n\ncafé | €\n\n- point\n\n| Item | Price |\n| --- | --- |\n| a\\|b | 1.50 |",
        "The end",
    ]


def test_an_outline_makes_a_heading_and_a_number_stays() -> None:
    assert pages(r"{\rtf1 \outlinelevel1 Part\par {\pntext 2.\tab}\ilvl1 item\par}") == ["## Part\n\n  2. item"]


def test_a_link_is_its_words() -> None:
    assert pages(r'{\rtf1 see {\field{\*\fldinst{HYPERLINK "http://x.y"}}{\fldrslt this}}.}') == ["see this."]


def test_pictures_are_left_out_before_they_are_read() -> None:
    hexadecimal = ("ab" * 64 + "\n") * 100
    assert pages(r"{\rtf1 {\pict " + hexadecimal + r"}words}") == ["words"]
    assert pages(r"{\rtf1 {\pict\bin5 }}}}}}words}") == ["words"]


@pytest.mark.parametrize("source", [r"{\rtf1 it breaks off", r"{\rtf1 \u99999999999? x}"])
def test_what_is_damaged_is_refused(source: str) -> None:
    with pytest.raises(UnreadableDocument) as caught:
        pages(source)
    assert caught.value.code == "document_broken"


def test_deep_groups_are_no_danger() -> None:
    assert pages(r"{\rtf1 " + "{" * 20_000 + "x" + "}" * 20_000 + "}") == ["x"]


def test_a_large_one_is_not_counted_ahead() -> None:
    content = io.BytesIO(samples.RTF)
    assert FORMAT.inspect(content, Limits()).pages == 2
    assert FORMAT.inspect(content, Limits(counted_bytes=10)).pages is None
