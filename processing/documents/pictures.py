"""Pictures of every kind brought to plain RGB of a bearable size, and read as documents of one page."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from processing.documents import ocr
from processing.documents.contract import Contents, Inspection, Page, ReadOptions, UnreadableDocument
from processing.documents.limits import Limits

if TYPE_CHECKING:
    from PIL import Image

JPEG_QUALITY = 85
JPEG_PIXELS_FACTOR = 4
WHITE, DARK = (255, 255, 255), (32, 32, 32)
LIGHT_ON_NOTHING = 200


def inspect(file: BinaryIO, kind: str, limits: Limits) -> Inspection:
    """Decode the picture once, so that a truncated one is found before it is stored. `kind` is Pillow's format name."""
    _decoded(file, kind, limits, side=1)
    return Inspection(pages=1)


def read(file: BinaryIO, kind: str, options: ReadOptions, limits: Limits) -> Contents:
    """The picture's first frame as page 1: its text by recognition, and itself as a JPEG."""
    return Contents(page_count=1, pages=_page(file, kind, options, limits))


def _page(file: BinaryIO, kind: str, options: ReadOptions, limits: Limits) -> Iterator[Page]:
    if not options.wants(1):
        return
    side = max(ocr.MAX_SIDE if options.ocr else 0, options.image_max_side if options.images else 0, 1)
    picture = plain(_decoded(file, kind, limits, side))
    text = ocr.text(picture) if options.ocr else ""
    image = jpeg(picture, options.image_max_side) if options.images else None
    yield Page(1, text, "ocr" if text else "none", image, "image/jpeg" if image else None)


def _decoded(file: BinaryIO, kind: str, limits: Limits, side: int) -> Image.Image:
    """The first frame, upright, at least `side` pixels long where the file has them. Raises `UnreadableDocument`."""
    from PIL import Image, ImageOps

    Image.MAX_IMAGE_PIXELS = None  # `limits.pixels` is the cap, and it stands before any pixel is allocated.
    try:
        image: Image.Image = Image.open(file, formats=[kind])
        _refuse_bomb(image, limits)
        image.draft("RGB", (side, side))
        image.load()
        return ImageOps.exif_transpose(image)
    except (UnreadableDocument, MemoryError):
        raise
    except Exception as error:
        raise UnreadableDocument("The picture is damaged and cannot be opened.", "document_broken") from error


def _refuse_bomb(image: Image.Image, limits: Limits) -> None:
    pixels = image.width * image.height
    if pixels > limits.pixels * (JPEG_PIXELS_FACTOR if image.format == "JPEG" else 1):
        raise UnreadableDocument(
            f"The picture has {pixels / 1e6:.0f} megapixels; the limit is {limits.pixels / 1e6:.0f}.",
            "document_too_complex",
        )


def plain(image: Image.Image) -> Image.Image:
    """The same picture in 8-bit RGB: 16-bit values scaled, palettes resolved, transparency laid on a background that
    its contents stand out from."""
    from PIL import Image

    if image.mode.startswith("I") or image.mode == "F":
        image = _eight_bit(image)
    if not image.has_transparency_data:
        return image if image.mode == "RGB" else image.convert("RGB")
    image = image.convert("RGBA")
    ground = Image.new("RGB", image.size, _background(image))
    ground.paste(image, mask=image.getchannel("A"))
    return ground


def _eight_bit(image: Image.Image) -> Image.Image:
    low, high = (float(value) for value in image.convert("F").getextrema())  # type: ignore[arg-type]
    if low >= 0 and high <= 255 and image.mode != "F":
        return image.convert("L")
    top = 65535.0 if image.mode != "F" and low >= 0 and high <= 65535 else max(high - low, 1e-9)
    start = 0.0 if top == 65535.0 else low
    return image.convert("F").point(lambda value: value * (255.0 / top) - start * 255.0 / top).convert("L")


def _background(image: Image.Image) -> tuple[int, int, int]:
    from PIL import ImageStat

    alpha = image.getchannel("A")
    lowest, highest = (int(value) for value in alpha.getextrema())  # type: ignore[arg-type]
    if highest == 0:
        return WHITE
    brightness = ImageStat.Stat(image.convert("L"), alpha.point(lambda value: 255 if value > 127 else 0)).mean[0]
    return DARK if brightness > LIGHT_ON_NOTHING and lowest < 128 else WHITE


def jpeg(image: Image.Image, max_side: int) -> bytes:
    """An RGB picture as a JPEG, no side longer than `max_side` pixels."""
    if max(image.size) > max_side:
        image = image.copy()
        image.thumbnail((max_side, max_side))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()
