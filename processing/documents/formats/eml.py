"""Mail messages as mail programs save them (RFC 5322, MIME)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, ClassVar

from processing.documents import mail
from processing.documents.contract import Contents, Enclosed, Inspection, ReadOptions
from processing.documents.limits import Limits


class Eml:
    """A message; messages inside it are further pages."""

    name: ClassVar[str] = "eml"
    extensions: ClassVar[tuple[str, ...]] = ("eml",)
    media_type: ClassVar[str] = "message/rfc822"
    modules: ClassVar[tuple[str, ...]] = (
        *("email.parser", "email.header", "charset_normalizer", "bs4", "lxml.etree"),
        "processing.documents.hypertables",
    )

    def matches(self, head: bytes) -> bool:
        return mail.looks_like_it(head)

    def inspect(self, file: BinaryIO, limits: Limits) -> Inspection:
        return Inspection(len(mail.messages(file, limits)))

    def read(self, file: BinaryIO, options: ReadOptions, limits: Limits) -> Contents:
        found = mail.messages(file, limits)
        return Contents(len(found), mail.pages(found, options, limits))

    def enclosed(self, file: BinaryIO, limits: Limits) -> Iterator[Enclosed]:
        return mail.enclosed(mail.messages(file, limits))


FORMAT = Eml()
