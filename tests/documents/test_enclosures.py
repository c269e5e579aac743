"""What is attached to a message is read as further pages of it, through the same walls as the message."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from email.message import EmailMessage

import pytest

from processing.documents import enclosures, registry
from processing.documents.contract import Page, ReadOptions
from processing.documents.limits import Limits
from processing.documents.sandbox import Sandbox
from tests.documents import compound, samples

ENCLOSED = frozenset({"pdf", "docx", "csv", "eml"})


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox()
    yield sandbox
    sandbox.close()


def mail(*files: tuple[str, bytes]) -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@example.com", "b@example.com", "Offer"
    message.set_content("see below")
    for name, content in files:
        message.add_attachment(content, "application", "octet-stream", filename=name)
    return message.as_bytes()


def read(content: bytes, limits: Limits = Limits(), name: str = "eml", **options: object) -> list[Page]:  # noqa: B008
    asked = ReadOptions(**{"ocr": False, "enclosed": ENCLOSED, **options})  # type: ignore[arg-type]
    return list(enclosures.contents(registry.named(name), io.BytesIO(content), asked, limits).pages)


PDF = ("offer.pdf", samples.pdf(["first page", "second page"]))
CSV = ("prices.csv", b"Item;Price\nTea;4,50\n")


def test_it_works(sandbox: Sandbox) -> None:
    """In the child, page by page, under the name of the file."""
    options = ReadOptions(ocr=False, enclosed=ENCLOSED)
    deadline = time.monotonic() + 60
    content = mail(PDF, CSV)
    with sandbox.reading(io.BytesIO(content), registry.named("eml"), options, deadline=deadline) as reading:
        pages = list(reading)
    assert [page.number for page in pages] == [1, 2, 3, 4]
    assert pages[0].text.startswith("# Offer")
    assert pages[1].text == "## offer.pdf, page 1\n\nfirst page"
    assert pages[2].text == "## offer.pdf, page 2\n\nsecond page"
    assert pages[3].text.startswith("## prices.csv")
    assert "| Tea | 4,50 |" in pages[3].text


def test_how_many_pages_there_are_is_not_told_ahead(sandbox: Sandbox) -> None:
    kind, deadline = registry.named("eml"), time.monotonic() + 60
    for content, enclosed, pages in (
        (mail(PDF), ENCLOSED, None),
        (mail(PDF), frozenset({"docx"}), 1),
        (mail(("logo.png", b"\x89PNG")), ENCLOSED, 1),
    ):
        found = sandbox.inspect(io.BytesIO(content), kind, deadline=deadline, enclosed=enclosed)
        assert found.pages == pages


def test_outlooks_own_messages_enclose_too() -> None:
    content = compound.message(samples.pdf(["in it"]))
    assert [page.text for page in read(content, name="msg")][1:] == ["## offer.pdf\n\nin it"]


def test_pages_are_asked_for_by_their_number_in_the_whole() -> None:
    content = mail(PDF, CSV)
    assert [page.number for page in read(content, only=frozenset({1, 3, 4}))] == [1, 3, 4]
    assert [page.text for page in read(content, only=frozenset({3}))] == ["## offer.pdf, page 2\n\nsecond page"]


def test_only_what_is_switched_on_is_read() -> None:
    content = mail(PDF, ("note.txt", b"words"), ("without", b"words"))
    assert len(read(content)) == 3
    assert len(read(content, enclosed=frozenset())) == 1
    assert registry.enclosable(["pdf", "png", "docx", "html"], ["htm"]) == {"pdf", "docx"}


def test_what_is_attached_to_an_attachment_is_left_aside() -> None:
    inner = mail(PDF)
    pages = read(mail(("inner.eml", inner)))
    assert [page.number for page in pages] == [1, 2]
    assert "offer.pdf" in pages[1].text
    assert "first page" not in pages[1].text


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (("offer.pdf", b"%PDF-1.4 broken"), "not read: The PDF is damaged"),
        (("offer.pdf", samples.pdf(["x"], password="secret")), "not read: The PDF is encrypted"),
        (("offer.docx", samples.excel()), None),
    ],
)
def test_an_attachment_that_cannot_be_read_spoils_nothing(file: tuple[str, bytes], words: str | None) -> None:
    """It is told of where it was what its name says, and left aside where it was not."""
    pages = read(mail(file, CSV))
    assert "Tea" in pages[-1].text
    assert (words or "Tea") in pages[1].text


def test_the_password_opens_attachments_too() -> None:
    content = mail(("offer.pdf", samples.pdf(["sealed words"], password="secret")))
    assert "sealed words" in read(content, password="secret")[1].text


def test_so_many_are_read_and_no_more() -> None:
    content = mail(*[CSV] * 5)
    assert len(read(content, Limits(enclosed_files=3))) == 4
    assert len(read(content, Limits(enclosed_bytes=2 * len(CSV[1])))) == 3
