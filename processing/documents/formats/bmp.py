"""Windows bitmaps."""

from __future__ import annotations

from typing import BinaryIO, ClassVar

from processing.documents import pictures
from processing.documents.contract import Contents, Inspection, ReadOptions
from processing.documents.limits import Limits

HEADER_SIZES = (12, 16, 40, 52, 56, 64, 108, 124)  # of the versions that there have been; text may begin with BM too


class Bmp:
    """A BMP file."""

    name: ClassVar[str] = "bmp"
    extensions: ClassVar[tuple[str, ...]] = ("bmp", "dib")
    media_type: ClassVar[str] = "image/bmp"
    modules: ClassVar[tuple[str, ...]] = ("PIL.ImageOps", "PIL.ImageStat", "PIL.BmpImagePlugin", "PIL.JpegImagePlugin")

    def matches(self, head: bytes) -> bool:
        return head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in HEADER_SIZES

    def inspect(self, file: BinaryIO, limits: Limits) -> Inspection:
        return pictures.inspect(file, "BMP", limits)

    def read(self, file: BinaryIO, options: ReadOptions, limits: Limits) -> Contents:
        return pictures.read(file, "BMP", options, limits)


FORMAT = Bmp()
