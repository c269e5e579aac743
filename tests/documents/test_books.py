"""Books become a page for each chapter, in the order of the spine."""

from __future__ import annotations

import io

import pytest

from processing.documents.contract import ReadOptions, UnreadableDocument
from processing.documents.formats.epub import FORMAT
from processing.documents.limits import Limits
from tests.documents import samples


def read(content: bytes, **options: frozenset[int]) -> list[str]:
    return [page.text for page in FORMAT.read(io.BytesIO(content), ReadOptions(**options), Limits()).pages]


def refusal(content: bytes) -> str:
    with pytest.raises(UnreadableDocument) as caught:
        FORMAT.inspect(io.BytesIO(content), Limits())
    return caught.value.code


def test_it_works() -> None:
    assert read(samples.book()) == ["# First\n\nWords", "# Last\n\nWords"]
    assert read(samples.book(), only=frozenset({2})) == ["# Last\n\nWords"]


def test_fonts_that_are_obfuscated_do_not_make_it_encrypted() -> None:
    xml = '<encryption><EncryptionMethod Algorithm="http://www.idpf.org/2008/embedding"/></encryption>'
    assert len(read(samples.book({"META-INF/encryption.xml": xml}))) == 2


def test_nothing_outside_the_book_is_read_and_no_chapter_twice() -> None:
    reference = '<itemref idref="a"/>'

    def package(href: str) -> bytes:
        xml = (
            '<package xmlns="http://www.idpf.org/2007/opf"><manifest>'
            f'<item id="a" href="{href}" media-type="text/html"/></manifest>'
            f"<spine>{reference * 100}</spine></package>"
        )
        return samples.book({"O/b.opf": xml})

    assert refusal(package("../../../etc/passwd")) == "document_broken"
    assert len(read(package("a.xhtml"))) == 1


def test_what_means_harm_is_refused() -> None:
    dtd = '<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'
    assert refusal(samples.book({"META-INF/container.xml": dtd})) == "document_broken"
    assert refusal(samples.book({"O/zeros.bin": bytes(8 << 20)})) == "document_too_complex"
    assert refusal(samples.open_text()) == "type_mismatch"
