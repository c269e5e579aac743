"""Pictures of every mode come out as plain RGB, and their words in reading order."""

from __future__ import annotations

import importlib.util
import io
import math

import pytest
from PIL import Image

from processing.documents import ocr, pictures
from processing.documents.contract import ReadOptions, UnreadableDocument
from processing.documents.layout import page
from processing.documents.limits import Limits
from processing.documents.ocr import Line
from tests.documents import samples

needs_ocr = pytest.mark.skipif(importlib.util.find_spec("rapidocr") is None, reason="text recognition is not installed")


def decoded(content: bytes, kind: str) -> Image.Image:
    read = next(pictures.read(io.BytesIO(content), kind, ReadOptions(images=True, ocr=False), Limits()).pages)
    assert read.image is not None
    return Image.open(io.BytesIO(read.image))


@needs_ocr
def test_it_works() -> None:
    content = samples.encoded(samples.picture("Invoice 2041\nTotal   42.50"), "PNG")
    read = next(pictures.read(io.BytesIO(content), "PNG", ReadOptions(), Limits()).pages)
    lines = [line for line in read.text.splitlines() if line]
    assert read.method == "ocr"
    assert "2041" in lines[0]
    assert "Total" in lines[1]
    assert "42.50" in lines[1]


@needs_ocr
def test_a_picture_without_words_has_no_text() -> None:
    content = samples.encoded(Image.new("RGB", (300, 300), "navy"), "PNG")
    read = next(pictures.read(io.BytesIO(content), "PNG", ReadOptions(), Limits()).pages)
    assert (read.text, read.method) == ("", "none")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    image = Image.new("L", (40, 40), 255).convert("RGB" if mode == "P" else "L")
    image = Image.new("I;16", (40, 40), 65535) if mode == "I;16" else image.convert(mode)
    result = decoded(samples.encoded(image, "PNG"), "PNG")
    assert result.mode == "RGB"
    assert result.getpixel((20, 20)) == (255, 255, 255)


def test_cmyk_becomes_rgb() -> None:
    result = decoded(samples.encoded(Image.new("CMYK", (40, 40), (0, 0, 0, 0)), "JPEG"), "JPEG")
    assert result.mode == "RGB"


def test_a_photograph_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    content = samples.encoded(Image.new("RGB", (80, 40)), "JPEG", exif=exif)
    assert decoded(content, "JPEG").size == (40, 80)


@pytest.mark.parametrize(("ink", "ground"), [((0, 0, 0, 255), 255), ((255, 255, 255, 255), 32)])
def test_transparency_is_laid_on_what_the_ink_stands_out_from(ink: tuple[int, ...], ground: int) -> None:
    image = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    image.paste(ink, (0, 0, 10, 10))
    pixel = decoded(samples.encoded(image, "PNG"), "PNG").getpixel((30, 30))
    assert all(abs(value - ground) < 10 for value in pixel)  # type: ignore[union-attr]


def shown(content: bytes, kind: str, limits: Limits = Limits()) -> list[int]:  # noqa: B008
    """How bright each page is."""
    pages = pictures.read(io.BytesIO(content), kind, ReadOptions(images=True, ocr=False), limits).pages
    return [int(Image.open(io.BytesIO(page.image or b"")).convert("L").getpixel((5, 5))) for page in pages]  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_frames_that_differ_are_read(kind: str) -> None:
    content = samples.frames(kind, ["white", "#fefefe", "black", "white", "gray"])
    white, black, gray = shown(content, kind)
    assert white > 250
    assert black < 5
    assert 120 < gray < 136
    assert pictures.inspect(io.BytesIO(content), kind, Limits()).pages == 3


def test_of_many_frames_some_are_read_the_last_included() -> None:
    content = samples.frames("GIF", [f"rgb({level}, {level}, {level})" for level in range(0, 255, 12)])
    levels = shown(content, "GIF")
    assert len(levels) == Limits().key_frames
    assert levels == sorted(levels)
    assert levels[0] < 5
    assert levels[-1] > 245
    assert len(shown(content, "GIF", Limits(frames=2))) == 2


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "lzma"])
def test_the_pages_of_a_tiff_are_pages(compression: str) -> None:
    levels = shown(samples.frames("TIFF", ["white", "white", "black"], compression=compression), "TIFF")
    assert [level > 128 for level in levels] == [True, True, False]


def test_faxes_are_read_and_too_many_pages_are_refused() -> None:
    image = Image.new("1", (40, 40), 1)
    content = samples.encoded(image, "TIFF", save_all=True, append_images=[image] * 3, compression="group4")
    assert len(shown(content, "TIFF")) == 4
    with pytest.raises(UnreadableDocument) as caught:
        pictures.inspect(io.BytesIO(content), "TIFF", Limits(tiff_pages=3))
    assert caught.value.code == "document_too_complex"


@pytest.mark.parametrize("mode", ["CMYK", "LAB", "I;16", "F", "1", "YCbCr"])
def test_every_mode_of_a_tiff_becomes_rgb(mode: str) -> None:
    white: dict[str, object] = {"CMYK": (0, 0, 0, 0), "LAB": (255, 128, 128), "I;16": 65535, "F": 1.0, "1": 1}
    image = Image.new(mode, (40, 40), white.get(mode, (255, 128, 128)))  # type: ignore[arg-type]
    if mode == "F":
        image.putpixel((0, 0), 0.0)
    assert shown(samples.encoded(image, "TIFF"), "TIFF")[0] > 250


def test_no_side_is_longer_than_asked() -> None:
    content = samples.encoded(Image.new("RGB", (3000, 300)), "PNG")
    options = ReadOptions(images=True, ocr=False, image_max_side=600)
    read = next(pictures.read(io.BytesIO(content), "PNG", options, Limits()).pages)
    assert Image.open(io.BytesIO(read.image or b"")).size == (600, 60)


def test_too_many_pixels_are_refused_before_they_are_decoded() -> None:
    content = samples.encoded(Image.new("1", (4000, 4000)), "PNG")
    with pytest.raises(UnreadableDocument) as caught:
        pictures.inspect(io.BytesIO(content), "PNG", Limits(pixels=1_000_000))
    assert caught.value.code == "document_too_complex"


def line(text: str, x: float, y: float, width: float = 100, slope: float = 0.0) -> Line:
    return Line(text, x, y, width, 20, slope)


def read(lines: list[Line]) -> str:
    return page.recognised(ocr.pieces(lines))


def test_what_stands_side_by_side_shares_a_line() -> None:
    assert read([line("9.90", 400, 102), line("Total", 100, 98), line("Shop", 200, 75)]) == "Shop\nTotal  9.90"


def test_lines_of_a_page_askew_are_straightened() -> None:
    angle = math.radians(4)
    cells = [("Item", 100, 100), ("1.00", 700, 100), ("Total", 100, 125), ("2.00", 700, 125)]
    turned = [
        line(text, x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle), slope=angle)
        for text, x, y in cells
    ]
    assert read(turned) == "Item  1.00\nTotal  2.00"


def test_columns_of_a_scan_are_read_one_after_the_other() -> None:
    words = "so many words that a line of the column is full"
    left = [line(f"left {number} {words}", 300, 100 + 25 * number, 500) for number in range(6)]
    right = [line(f"right {number} {words}", 860, 100 + 25 * number, 500) for number in range(6)]
    text = read([each for pair in zip(left, right, strict=True) for each in pair])
    assert text.index("left 5") < text.index("right 0")


def test_cells_of_a_scan_become_a_table() -> None:
    rows = [("Item", "Pieces", "Price"), ("Tea", "2", "4.30"), ("Rice", "1", "7.60")]
    cells = [line(cell, 100 + 300 * x, 100 + 25 * y) for y, row in enumerate(rows) for x, cell in enumerate(row)]
    assert read(cells).splitlines()[0] == "| Item | Pieces | Price |"
    assert read(cells).splitlines()[3] == "| Rice | 1 | 7.60 |"
