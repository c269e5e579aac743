"""One page of a document as a picture, with passages marked on it: what an answer rests on, for a person to see."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Sequence
from typing import BinaryIO

from processing.documents import marking, ocr
from processing.documents.contract import Format, PagePicture, Placing, ReadOptions, Rectangle, UnreadableDocument
from processing.documents.limits import Limits


def of(
    kind: Format, file: BinaryIO, number: int, passages: Sequence[str], options: ReadOptions, limits: Limits
) -> PagePicture:
    """The page, no side over `options.image_max_side` pixels. A passage is found by the page's text, or by recognition
    where `options.ocr` allows it. Raises `UnreadableDocument` (`no_such_page`, `no_page_picture` and what `read`
    raises)."""
    from PIL import Image

    with Image.open(io.BytesIO(_image(kind, file, number, options, limits))) as image:
        picture = image.convert("RGB")
    found: list[list[Rectangle]] | None = None
    if passages and isinstance(kind, Placing):
        found = kind.places(file, number, passages, options, limits)
    if passages and found is None and options.ocr:
        seen = marking.Recognised(ocr.recognise(picture), *picture.size)
        found = [marking.rectangles(passage, seen) for passage in passages]
    found = found or [[] for _ in passages]
    png = marking.marked(picture, [each for passage in found for each in passage])
    return PagePicture(png, tuple(tuple(passage) for passage in found))


def _image(kind: Format, file: BinaryIO, number: int, options: ReadOptions, limits: Limits) -> bytes:
    wanted = dataclasses.replace(options, images=True, ocr=False, only=frozenset({number}))
    page = next(iter(kind.read(file, wanted, limits).pages), None)
    if page is None:
        raise UnreadableDocument(f"The document has no page {number}.", "no_such_page")
    if page.image is None:
        raise UnreadableDocument("Pages of this document have no picture.", "no_page_picture")
    return page.image
