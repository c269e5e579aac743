"""TIFF pictures."""

from __future__ import annotations

from typing import BinaryIO, ClassVar

from processing.documents import pictures
from processing.documents.contract import Contents, Inspection, ReadOptions
from processing.documents.limits import Limits


class Tiff:
    """A TIFF file, of every compression that Pillow reads; its pages are its pages."""

    name: ClassVar[str] = "tiff"
    extensions: ClassVar[tuple[str, ...]] = ("tiff", "tif")
    media_type: ClassVar[str] = "image/tiff"
    modules: ClassVar[tuple[str, ...]] = ("PIL.ImageOps", "PIL.ImageStat", "PIL.TiffImagePlugin", "PIL.JpegImagePlugin")

    def matches(self, head: bytes) -> bool:
        return head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"))

    def inspect(self, file: BinaryIO, limits: Limits) -> Inspection:
        return pictures.inspect(file, "TIFF", limits)

    def read(self, file: BinaryIO, options: ReadOptions, limits: Limits) -> Contents:
        return pictures.read(file, "TIFF", options, limits)


FORMAT = Tiff()
