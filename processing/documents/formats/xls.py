"""Excel workbooks of the older, binary format."""

from __future__ import annotations

from typing import BinaryIO, ClassVar

from processing.documents import containers, office_passwords
from processing.documents.contract import Contents, Inspection, ReadOptions, UnreadableDocument
from processing.documents.limits import Limits
from processing.documents.sheets import workbook

FILE_PASS = b"\x2f\0"
FIRST_RECORDS = 20


class Xls:
    """A workbook of Excel 5 to 2003; its pages are its sheets."""

    name: ClassVar[str] = "xls"
    extensions: ClassVar[tuple[str, ...]] = ("xls",)
    media_type: ClassVar[str] = "application/vnd.ms-excel"
    modules: ClassVar[tuple[str, ...]] = ("python_calamine", "olefile")

    def matches(self, head: bytes) -> bool:
        return containers.is_compound_of(head, "xls")

    def inspect(self, file: BinaryIO, limits: Limits) -> Inspection:
        return Inspection(workbook.count(_opened(file, limits)))

    def read(self, file: BinaryIO, options: ReadOptions, limits: Limits) -> Contents:
        return workbook.contents(_opened(file, limits, options.password), {}, options, limits)


def _opened(file: BinaryIO, limits: Limits, password: str | None = None) -> object:
    file.seek(0)
    if file.read(len(containers.OLE)) != containers.OLE:
        raise UnreadableDocument("The file is not a workbook of the older Excel format.", "type_mismatch")
    kind = containers.compound_kind_of(file)
    if kind != "xls":
        raise containers.another(kind, "xls")
    try:
        return workbook.opened(file)
    except UnreadableDocument:
        if not _has_password(file):
            raise
        return workbook.opened(office_passwords.decrypted_workbook(file, limits, password))


def _has_password(file: BinaryIO) -> bool:
    """Whether one of the first records says so (MS-XLS 2.4.117): calamine does not tell why it cannot open a file."""
    with containers.opened_compound(file) as container:
        stream = container.openstream("Workbook" if container.exists("Workbook") else "Book")
        for _ in range(FIRST_RECORDS):
            header = stream.read(4)
            if header[:2] == FILE_PASS:
                return True
            stream.read(int.from_bytes(header[2:], "little"))
    return False


FORMAT = Xls()
