"""GIF pictures."""

from __future__ import annotations

from typing import BinaryIO, ClassVar

from processing.documents import pictures
from processing.documents.contract import Contents, Inspection, ReadOptions
from processing.documents.limits import Limits


class Gif:
    """A GIF file; of an animation the frames that differ."""

    name: ClassVar[str] = "gif"
    extensions: ClassVar[tuple[str, ...]] = ("gif",)
    media_type: ClassVar[str] = "image/gif"
    modules: ClassVar[tuple[str, ...]] = ("PIL.ImageOps", "PIL.ImageStat", "PIL.GifImagePlugin", "PIL.JpegImagePlugin")

    def matches(self, head: bytes) -> bool:
        return head.startswith((b"GIF87a", b"GIF89a"))

    def inspect(self, file: BinaryIO, limits: Limits) -> Inspection:
        return pictures.inspect(file, "GIF", limits)

    def read(self, file: BinaryIO, options: ReadOptions, limits: Limits) -> Contents:
        return pictures.read(file, "GIF", options, limits)


FORMAT = Gif()
