"""JPEG pictures."""

from __future__ import annotations

from typing import BinaryIO, ClassVar

from processing.documents import pictures
from processing.documents.contract import Contents, Inspection, ReadOptions
from processing.documents.limits import Limits


class Jpeg:
    """A JPEG file."""

    name: ClassVar[str] = "jpg"
    extensions: ClassVar[tuple[str, ...]] = ("jpg", "jpeg")
    media_type: ClassVar[str] = "image/jpeg"
    modules: ClassVar[tuple[str, ...]] = ("PIL.ImageOps", "PIL.ImageStat", "PIL.JpegImagePlugin")

    def matches(self, head: bytes) -> bool:
        return head.startswith(b"\xff\xd8\xff")

    def inspect(self, file: BinaryIO, limits: Limits) -> Inspection:
        return pictures.inspect(file, "JPEG", limits)

    def read(self, file: BinaryIO, options: ReadOptions, limits: Limits) -> Contents:
        return pictures.read(file, "JPEG", options, limits)


FORMAT = Jpeg()
