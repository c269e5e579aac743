"""The frames of a picture: the pages of a TIFF, and of an animation those that show something new."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from processing.documents.contract import UnreadableDocument
from processing.documents.limits import Limits

if TYPE_CHECKING:
    from PIL import Image

JPEG_PIXELS_FACTOR = 4
# Two frames are alike where, seen very small and in grey, they differ by less than this in the mean (of 255).
GLANCE = (32, 32)
ALIKE = 6.0
LOOK_BACK = 16
ANIMATIONS = ("GIF", "WEBP", "PNG")


def opened(file: BinaryIO, kind: str, limits: Limits) -> Image.Image:
    """The picture, of which nothing is decoded yet. Raises `UnreadableDocument` and whatever Pillow does."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # `limits.pixels` is the cap, and it stands before any pixel is allocated.
    file.seek(0)
    image: Image.Image = Image.open(file, formats=[kind])
    refuse_bomb(image, limits)
    return image


def refuse_bomb(image: Image.Image, limits: Limits) -> None:
    """Raises `UnreadableDocument` for a frame of more pixels than may be decoded."""
    pixels = image.width * image.height
    if pixels > limits.pixels * (JPEG_PIXELS_FACTOR if image.format in ("JPEG", "MPO") else 1):
        raise UnreadableDocument(
            f"The picture has {pixels / 1e6:.0f} megapixels; the limit is {limits.pixels / 1e6:.0f}.",
            "document_too_complex",
        )


def to_be_read(file: BinaryIO, kind: str, limits: Limits) -> list[int]:
    """Which frames are read, by their place in the file from 0. Raises `UnreadableDocument`."""
    with told_of_damage():
        image = opened(file, kind, limits)
        if kind == "TIFF":
            return _pages(image, limits)
        if kind in ANIMATIONS and getattr(image, "is_animated", False):
            return _key_frames(image, limits)
    return [0]


@contextlib.contextmanager
def told_of_damage() -> Iterator[None]:
    """Whatever Pillow raises at a damaged file becomes `UnreadableDocument`."""
    try:
        yield
    except (UnreadableDocument, MemoryError):
        raise
    except Exception as error:
        raise UnreadableDocument("The picture is damaged and cannot be opened.", "document_broken") from error


def _pages(image: Image.Image, limits: Limits) -> list[int]:
    count = 1
    while count <= limits.tiff_pages:
        try:
            image.seek(count)
        except (EOFError, OSError, ValueError, KeyError, SyntaxError):
            return list(range(count))
        count += 1
    raise UnreadableDocument(f"The picture has more than {limits.tiff_pages} pages.", "document_too_complex")


def _key_frames(image: Image.Image, limits: Limits) -> list[int]:
    """The first frame, and the first ones that look unlike all chosen before; where these are too many, of all of them
    some at even distances, the last included.

    As many frames are looked at as `limits.frames` and `limits.pixels` (of all together, four times) allow.
    """
    budget = max(1, 4 * limits.pixels // max(1, image.width * image.height))
    count = min(int(getattr(image, "n_frames", 1)), limits.frames, budget)
    chosen: list[int] = []
    seen: list[Image.Image] = []
    for number in range(count):
        try:
            image.seek(number)
            glance = image.convert("RGBA").resize(GLANCE).convert("L")
        except Exception:  # noqa: BLE001 - an animation that breaks off is read as far as it goes
            break
        if all(_differ(glance, other) for other in seen[-LOOK_BACK:]):
            chosen.append(number)
            seen.append(glance)
    return _thinned(chosen or [0], limits.key_frames)


def _differ(one: Image.Image, other: Image.Image) -> bool:
    from PIL import ImageChops, ImageStat

    return bool(ImageStat.Stat(ImageChops.difference(one, other)).mean[0] >= ALIKE)


def _thinned(numbers: list[int], most: int) -> list[int]:
    if len(numbers) <= most:
        return numbers
    return [numbers[round(place * (len(numbers) - 1) / (most - 1))] for place in range(most)]
