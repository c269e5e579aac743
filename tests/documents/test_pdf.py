"""PDFs are read by their text, and by their picture where the text tells too little."""

from __future__ import annotations

import io
import time

import pytest
from PIL import Image
from reportlab.pdfgen.canvas import Canvas

from processing.documents import ocr
from processing.documents.contract import Page, ReadOptions, UnreadableDocument
from processing.documents.formats import pdf as module
from processing.documents.formats.pdf import FORMAT
from processing.documents.layout import markdown
from processing.documents.limits import Limits
from tests.documents import samples


def read(content: bytes, **options: object) -> list[Page]:
    return list(FORMAT.read(io.BytesIO(content), ReadOptions(**options), Limits()).pages)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The sizes of the pictures that were looked at for text."""
    sizes: list[tuple[int, int]] = []

    def recognise(image: object) -> list[ocr.Line]:
        sizes.append(image.size)  # type: ignore[attr-defined]
        return [ocr.Line("recognised", 300, 300, 200, 30)]

    monkeypatch.setattr(ocr, "recognise", recognise)
    return sizes


def test_it_works() -> None:
    pages = read(samples.pdf(["first page", "second page\nof two lines"]))
    assert [(page.number, page.text, page.method) for page in pages] == [
        (1, "first page", "text"),
        (2, "second page\nof two lines", "text"),
    ]


def test_the_small_file_that_is_read_ahead_has_text_to_be_placed() -> None:
    FORMAT.warm()
    (page,) = read(module.SMALL_FILE)
    assert (page.text, page.method) == ("A line of text.\nAnd another line.", "text")


def test_a_page_comes_with_its_picture_if_wanted() -> None:
    from PIL import Image

    page = read(samples.pdf(["words"]), images=True, image_max_side=500)[0]
    assert page.image is not None
    assert page.image_type == "image/jpeg"
    with Image.open(io.BytesIO(page.image)) as image:
        assert (image.format, max(image.size)) == ("JPEG", 500)


def test_a_scanned_page_is_recognised(seen: list[tuple[int, int]]) -> None:
    page = read(samples.scanned_pdf("words in a picture"))[0]
    assert (page.text, page.method) == ("recognised", "ocr")
    assert len(seen) == 1


def test_without_recognition_a_scanned_page_has_no_text(seen: list[tuple[int, int]]) -> None:
    page = read(samples.scanned_pdf("words"), ocr=False)[0]
    assert (page.text, page.method) == ("", "none")
    assert seen == []


def test_a_blank_page_is_not_looked_at(seen: list[tuple[int, int]]) -> None:
    assert [page.method for page in read(samples.pdf(["", "a short line"]))] == ["none", "text"]
    assert seen == []


def test_a_text_layer_of_garbage_is_not_believed(seen: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_text", lambda page: ("\ue000" * 400, "text"))
    assert read(samples.pdf(["words"]))[0].method == "ocr"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("docu\ufffe\nment", "document"),
        ("docu\x02ment", "document"),
        ("so\xadft", "soft"),
        ("infor-\nmation", "information"),
        ("infor-\n\nmation", "information"),
        ("Jean-\nPaul", "Jean-\nPaul"),
        ("1990-\n2000", "1990-\n2000"),
        ("a\0b\ud800c", "abc"),
        ("‘‘so to say’’", "“so to say”"),
    ],
)
def test_words_are_made_whole(raw: str, text: str) -> None:
    assert markdown.tidy(raw) == text


def test_a_little_text_on_a_picture_is_read_together_with_what_the_picture_shows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from reportlab.pdfgen import canvas

    buffer = io.BytesIO()
    sheet = canvas.Canvas(buffer, pagesize=(600, 600))
    sheet.drawInlineImage(samples.picture(""), 0, 0, width=600, height=600)
    sheet.setFont("Helvetica", 30)
    sheet.drawString(100, 300, "Written")
    sheet.save()
    over = [ocr.Line("Wr1tten", 330, 625, 220, 50), ocr.Line("Painted", 330, 200, 220, 50)]
    monkeypatch.setattr(ocr, "recognise", lambda image: over)
    page = read(buffer.getvalue())[0]
    assert (page.text.split(), page.method) == (["Painted", "Written"], "ocr")


def test_an_encrypted_file_is_refused() -> None:
    with pytest.raises(UnreadableDocument) as caught:
        FORMAT.inspect(io.BytesIO(samples.pdf(["secret"], password="p")), Limits())
    assert caught.value.code == "document_encrypted"


def test_too_many_pages_are_refused() -> None:
    with pytest.raises(UnreadableDocument) as caught:
        FORMAT.inspect(io.BytesIO(samples.pdf(["a", "b", "c"])), Limits(pdf_pages=2))
    assert caught.value.code == "document_too_complex"


def test_a_page_of_enormous_size_is_rendered_small() -> None:
    from reportlab.pdfgen import canvas

    buffer = io.BytesIO()
    sheet = canvas.Canvas(buffer, pagesize=(200_000, 100))
    sheet.drawString(10, 10, "words on a ribbon that is very long indeed")
    sheet.save()
    started = time.monotonic()
    page = read(buffer.getvalue(), images=True, ocr=False)[0]
    assert page.image is not None
    assert time.monotonic() - started < 60


def test_what_is_written_in_a_form_is_read() -> None:
    from reportlab.pdfgen import canvas

    buffer = io.BytesIO()
    sheet = canvas.Canvas(buffer)
    sheet.drawString(72, 750, "Name:")
    sheet.acroForm.textfield(name="name", value="Ada Lovelace", x=120, y=740, width=200, height=20)
    sheet.save()
    assert "Ada Lovelace" in read(buffer.getvalue())[0].text


def test_a_picture_is_spared_where_the_text_tells_all() -> None:
    out = io.BytesIO()
    canvas = Canvas(out)
    canvas.drawString(72, 700, "A plain page that says all there is to say about the matter at hand.")
    canvas.showPage()
    canvas.drawString(72, 700, "A page with a figure that the text does not tell of, and some words beside it.")
    canvas.drawInlineImage(Image.new("RGB", (400, 300), "navy"), 72, 300, 400, 300)
    canvas.showPage()
    for step in range(60):
        canvas.line(72 + step * 5, 100, 72 + step * 5, 100 + step * 8)
    canvas.drawString(72, 700, "A page with a drawing made of lines, which is a chart to whoever sees it.")
    canvas.showPage()
    canvas.drawInlineImage(Image.effect_noise((400, 500), 90).convert("RGB"), 0, 0, 595, 842)
    canvas.showPage()
    canvas.save()

    def shown(**options: object) -> list[bool]:
        wanted = {"images": True, "ocr": False, "image_max_side": 200, **options}
        return [page.image is not None for page in read(out.getvalue(), **wanted)]

    assert shown() == [True, True, True, True]
    assert shown(spare_images=True) == [False, True, True, True]
    assert shown(spare_images=True, figures=False) == [False, False, False, True]
