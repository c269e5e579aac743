"""PNG pictures."""

from __future__ import annotations

from typing import BinaryIO, ClassVar

from processing.documents import pictures
from processing.documents.contract import Contents, Inspection, ReadOptions
from processing.documents.limits import Limits


class Png:
    """A PNG file, of every depth and colour type; of an animation the frames that differ."""

    name: ClassVar[str] = "png"
    extensions: ClassVar[tuple[str, ...]] = ("png",)
    media_type: ClassVar[str] = "image/png"
    modules: ClassVar[tuple[str, ...]] = ("PIL.ImageOps", "PIL.ImageStat", "PIL.PngImagePlugin", "PIL.JpegImagePlugin")

    def matches(self, head: bytes) -> bool:
        return head.startswith(b"\x89PNG\r\n\x1a\n")

    def inspect(self, file: BinaryIO, limits: Limits) -> Inspection:
        return pictures.inspect(file, "PNG", limits)

    def read(self, file: BinaryIO, options: ReadOptions, limits: Limits) -> Contents:
        return pictures.read(file, "PNG", options, limits)


FORMAT = Png()
