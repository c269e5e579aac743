"""Pictures of every kind brought to plain RGB of a bearable size, and read as documents of a page for each frame."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from processing.documents import frames, ocr
from processing.documents.contract import Contents, Inspection, Page, ReadOptions, UnreadableDocument
from processing.documents.limits import Limits

if TYPE_CHECKING:
    from PIL import Image

JPEG_QUALITY = 85
WHITE, DARK = (255, 255, 255), (32, 32, 32)
LIGHT_ON_NOTHING = 200


def inspect(file: BinaryIO, kind: str, limits: Limits) -> Inspection:
    """Decode the picture once, so that a truncated one is found before it is stored. `kind` is Pillow's format name."""
    with frames.told_of_damage():
        _decoded(frames.opened(file, kind, limits), 0, limits, side=1)
    return Inspection(pages=len(frames.to_be_read(file, kind, limits)))


def read(file: BinaryIO, kind: str, options: ReadOptions, limits: Limits) -> Contents:
    """Each page of the picture, or each frame that shows something new: its text by recognition, and itself as a
    JPEG."""
    chosen = frames.to_be_read(file, kind, limits)
    return Contents(page_count=len(chosen), pages=_pages(file, kind, chosen, options, limits))


def _pages(file: BinaryIO, kind: str, chosen: list[int], options: ReadOptions, limits: Limits) -> Iterator[Page]:
    side = max(ocr.MAX_SIDE if options.ocr else 0, options.image_max_side if options.images else 0, 1)
    with frames.told_of_damage():
        image = frames.opened(file, kind, limits)
    for number, frame in enumerate(chosen, 1):
        if not options.wants(number):
            continue
        try:
            with frames.told_of_damage():
                picture = plain(_decoded(image, frame, limits, side))
        except UnreadableDocument:
            if len(chosen) == 1:
                raise
            yield Page(number, "", "none")  # One page that is damaged does not spoil the others.
            continue
        text = ocr.text(picture) if options.ocr else ""
        shown = jpeg(picture, options.image_max_side) if options.images else None
        yield Page(number, text, "ocr" if text else "none", shown, "image/jpeg" if shown else None)


def _decoded(image: Image.Image, frame: int, limits: Limits, side: int) -> Image.Image:
    """A frame, upright, at least `side` pixels long where the file has them."""
    from PIL import ImageOps

    if frame:
        image.seek(frame)
        frames.refuse_bomb(image, limits)
    else:
        image.draft("RGB", (side, side))
    image.load()
    return ImageOps.exif_transpose(image)


def plain(image: Image.Image) -> Image.Image:
    """The same picture in 8-bit RGB: 16-bit values scaled, palettes resolved, transparency laid on a background that
    its contents stand out from."""
    from PIL import Image

    if image.mode.startswith("I") or image.mode == "F":
        image = _eight_bit(image)
    elif image.mode == "LAB":
        image = _of_lab(image)
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


def _of_lab(image: Image.Image) -> Image.Image:
    """Colours as numbers for the eye (CIE L*a*b*) as a screen shows them."""
    from PIL import ImageCms

    converted = ImageCms.profileToProfile(
        image, ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    assert converted is not None  # noqa: S101 -- it is None only where the picture is changed in place
    return converted


def _background(image: Image.Image) -> tuple[int, int, int]:
    from PIL import ImageStat

    alpha = image.getchannel("A")
    lowest, highest = (int(value) for value in alpha.getextrema())  # type: ignore[arg-type]
    if highest == 0:
        return WHITE
    brightness = ImageStat.Stat(image.convert("L"), alpha.point(lambda value: 255 if value > 127 else 0)).mean[0]
    return DARK if brightness > LIGHT_ON_NOTHING and lowest < 128 else WHITE


def jpeg(image: Image.Image, max_side: int) -> bytes:
    """An RGB or RGBX picture as a JPEG, no side longer than `max_side` pixels."""
    if max(image.size) > max_side:
        image = image.copy()
        image.thumbnail((max_side, max_side))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()
