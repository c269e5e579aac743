"""A page is shown with the passages marked that an answer rests on."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Sequence

import pytest
from PIL import Image
from reportlab.pdfgen.canvas import Canvas

from processing.documents import marking, ocr, page_picture, registry
from processing.documents.contract import PagePicture, ReadOptions, Rectangle
from processing.documents.limits import Limits
from processing.documents.sandbox import Sandbox, ShownPage
from processing.errors import DocumentFailed, NotFound
from tests.documents import mocks, samples

PDF, PNG = registry.named("pdf"), registry.named("png")
SIDE = 500


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox(extra_formats=["tests.documents.mocks"])
    yield sandbox
    sandbox.close()


def letter() -> bytes:
    """Two pages of 400 × 400 points; on the second one, a line near the top left and a table."""
    buffer = io.BytesIO()
    sheet = Canvas(buffer, pagesize=(400, 400))
    sheet.drawString(40, 200, "The first page")
    sheet.showPage()
    sheet.drawString(40, 350, "The total is 42.50, to be paid by the end of May.")
    for number, row in enumerate([("Tea", "2", "4.30"), ("Rice", "1", "7.60"), ("Oats", "2", "9.90")]):
        for column, cell in enumerate(row):
            sheet.drawString(40 + 120 * column, 200 - 20 * number, cell)
    sheet.save()
    return buffer.getvalue()


def shown(sandbox: Sandbox, content: bytes, number: int, passages: Sequence[str] = ()) -> PagePicture:
    options = ReadOptions(ocr=False, image_max_side=SIDE)
    return sandbox.page_picture(
        io.BytesIO(content), PDF, ShownPage(number, passages), options, deadline=time.monotonic() + 60
    )


def is_about(found: Rectangle, wanted: Rectangle) -> bool:
    return all(abs(a - b) < 0.03 for a, b in zip(found, wanted, strict=True))


def test_it_works(sandbox: Sandbox) -> None:
    picture = shown(sandbox, letter(), 2, ["total is 42.50"])
    ((found,),) = picture.rectangles
    assert is_about(found, (0.16, 0.1, 0.35, 0.13))
    with Image.open(io.BytesIO(picture.png)) as image:
        assert (image.format, image.size) == ("PNG", (SIDE, SIDE))
        red, _, blue = image.getpixel((int(found[0] * SIDE) + 3, int(found[1] * SIDE) + 2))  # type: ignore[misc]
        assert red > blue + 50
        assert image.getpixel((SIDE - 5, SIDE - 5)) == (255, 255, 255)


def test_what_is_not_on_the_page_is_not_marked(sandbox: Sandbox) -> None:
    assert shown(sandbox, letter(), 1, ["total is 42.50", "first page"]).rectangles[0] == ()


def test_the_row_of_a_table_is_found_cell_by_cell(sandbox: Sandbox) -> None:
    (found,) = shown(sandbox, letter(), 2, ["| Oats | 2 | 9.90 |"]).rectangles
    assert len(found) == 3
    assert all(0.55 < top < bottom < 0.65 for _, top, _, bottom in found)


def test_a_page_that_there_is_not(sandbox: Sandbox) -> None:
    with pytest.raises(NotFound) as caught:
        shown(sandbox, letter(), 3)
    assert caught.value.code == "no_such_page"


def test_pages_of_text_have_no_picture(sandbox: Sandbox) -> None:
    with pytest.raises(NotFound) as caught:
        sandbox.page_picture(
            io.BytesIO(b"words"), registry.named("txt"), ShownPage(1), ReadOptions(), deadline=time.monotonic() + 60
        )
    assert caught.value.code == "no_page_picture"


def test_a_child_that_speaks_nonsense_is_not_believed(sandbox: Sandbox) -> None:
    with pytest.raises(DocumentFailed):
        sandbox.page_picture(
            io.BytesIO(b"speak_nonsense"), mocks.FORMAT, ShownPage(1), ReadOptions(), deadline=time.monotonic() + 60
        )


def test_a_passage_of_a_scan_is_found_by_recognition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "recognise", lambda image: [ocr.Line("Total 42.50", 200, 100, 220, 20)])
    content = samples.encoded(samples.picture("Total 42.50"), "PNG")
    picture = page_picture.of(PNG, io.BytesIO(content), 1, ["42.50"], ReadOptions(image_max_side=800), Limits())
    ((found,),) = picture.rectangles
    assert is_about(found, (0.26, 0.225, 0.39, 0.275))


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_a_passage_is_found_on_a_turned_page_where_it_is_shown(turn: int) -> None:
    buffer = io.BytesIO()
    sheet = Canvas(buffer, pagesize=(400, 400))
    sheet.setPageRotation(turn)
    sheet.drawString(40, 360, "Here it stands")
    sheet.save()
    picture = page_picture.of(
        PDF, io.BytesIO(buffer.getvalue()), 1, ["Here it stands"], ReadOptions(ocr=False, image_max_side=400), Limits()
    )
    (((left, top, right, bottom),),) = picture.rectangles
    with Image.open(io.BytesIO(picture.png)) as image:
        grey = image.convert("L").point(lambda value: 255 if value < 60 else 0)
        ink = grey.getbbox()
    assert ink is not None
    assert left * 400 - 2 <= ink[0] < ink[2] <= right * 400 + 2
    assert top * 400 - 2 <= ink[1] < ink[3] <= bottom * 400 + 2


class Text:
    """A page whose characters are ten points wide, forty to a line."""

    width, height = 400.0, 400.0

    def __init__(self, text: str) -> None:
        self.text = text

    def boxes(self, places: Sequence[int]) -> list[marking.Box]:
        return [
            (10.0 * (place % 40), 20.0 * (place // 40), 10.0 * (place % 40) + 10, 20.0 * (place // 40) + 15)
            for place in places
        ]


@pytest.mark.parametrize(
    ("passage", "count"),
    [
        ("a passage over two lines of the page", 2),
        ("a pas-\nsage OVER two", 2),
        ("two", 1),
        ("assage over", 2),
        ("age", 0),
        ("...", 0),
        ("nowhere at all", 0),
    ],
)
def test_letters_alone_are_compared_and_short_words_are_whole(passage: str, count: int) -> None:
    page = Text("There is at the end of this a passage over two lines of the page and more.")
    assert len(marking.rectangles(passage, page)) == count
