"""WebP pictures."""

from __future__ import annotations

from typing import BinaryIO, ClassVar

from processing.documents import pictures
from processing.documents.contract import Contents, Inspection, ReadOptions
from processing.documents.limits import Limits


class Webp:
    """A WebP file; of an animation the frames that differ."""

    name: ClassVar[str] = "webp"
    extensions: ClassVar[tuple[str, ...]] = ("webp",)
    media_type: ClassVar[str] = "image/webp"
    modules: ClassVar[tuple[str, ...]] = ("PIL.ImageOps", "PIL.ImageStat", "PIL.WebPImagePlugin", "PIL.JpegImagePlugin")

    def matches(self, head: bytes) -> bool:
        return head[:4] == b"RIFF" and head[8:12] == b"WEBP"

    def inspect(self, file: BinaryIO, limits: Limits) -> Inspection:
        return pictures.inspect(file, "WEBP", limits)

    def read(self, file: BinaryIO, options: ReadOptions, limits: Limits) -> Contents:
        return pictures.read(file, "WEBP", options, limits)


FORMAT = Webp()
