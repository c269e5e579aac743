"""Plain text of any encoding, read in pieces and split into pages at form feeds."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import BinaryIO, ClassVar

from processing.documents.contract import Contents, Inspection, Page, ReadOptions, UnreadableDocument
from processing.documents.limits import Limits

CHUNK = 1024 * 1024
SAMPLE = 256 * 1024
BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
FOREIGN = (b"%PDF-", b"PK\x03\x04", b"{\\rtf", b"\x89PNG", b"GIF8", b"\xff\xd8\xff", b"\x7fELF", b"\xd0\xcf\x11\xe0")
WITHOUT_MEANING = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
TOLERATED_CONTROLS = 0.02
CODE_PAGES = [
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "koi8_r"),
    *("cp932", "euc_jp", "gb18030", "big5", "euc_kr"),
]
SHORT, MOSTLY_ASCII, NEARLY = 200, 0.3, 0.05


def looks_like_text(head: bytes) -> bool:
    """Whether a file that begins so can be text: no foreign signature, no NULs outside UTF-16 and UTF-32."""
    if any(head.startswith(bom) for bom, _ in BOMS):
        return True
    if head.startswith(FOREIGN):
        return False
    if b"\0" in head:
        return _utf16_without_mark(head) is not None
    controls = sum(head.count(bytes([value])) for value in (*range(1, 9), *range(14, 27), *range(28, 32)))
    return controls <= TOLERATED_CONTROLS * len(head)


class PlainText:
    """What the formats of plain text have in common."""

    modules: ClassVar[tuple[str, ...]] = ("charset_normalizer",)

    def matches(self, head: bytes) -> bool:
        return looks_like_text(head)

    def inspect(self, file: BinaryIO, limits: Limits) -> Inspection:
        return inspect(file)

    def read(self, file: BinaryIO, options: ReadOptions, limits: Limits) -> Contents:
        return read(file, options)


def inspect(file: BinaryIO) -> Inspection:
    """Count the pages; refuses what is not text. Raises `UnreadableDocument`."""
    return Inspection(pages=sum(1 for _ in _pages(file)))


def read(file: BinaryIO, options: ReadOptions) -> Contents:
    """One page unless the text has form feeds."""
    count = inspect(file).pages
    pages = (
        Page(number, text, "text" if text else "none")
        for number, text in enumerate(_pages(file), 1)
        if options.wants(number)
    )
    return Contents(page_count=count, pages=pages)


def _pages(file: BinaryIO) -> Iterator[str]:
    held: list[str] = []
    for piece in decoded(file):
        *whole, rest = piece.split("\f")
        for part in whole:
            yield _cleaned("".join([*held, part]))
            held = []
        held.append(rest)
    last = _cleaned("".join(held))
    if last or not file.tell():
        yield last


def decoded(file: BinaryIO) -> Iterator[str]:
    """The file's text, a piece at a time. Raises `UnreadableDocument` for what is not text."""
    file.seek(0)
    sample = file.read(SAMPLE)
    decoder = codecs.getincrementaldecoder(encoding_of(sample))(errors="replace")
    file.seek(0)
    while chunk := file.read(CHUNK):
        yield decoder.decode(chunk)
    yield decoder.decode(b"", final=True)


def encoding_of(sample: bytes) -> str:
    """The name of the encoding that `sample`, the beginning of a file, is in. Raises `UnreadableDocument`."""
    for bom, encoding in BOMS:
        if sample.startswith(bom):
            return encoding
    if not looks_like_text(sample):
        raise UnreadableDocument("The file is not text.", "type_mismatch")
    if b"\0" in sample:
        return _utf16_without_mark(sample) or "utf-8"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return _detected(sample)
    return "utf-8"


def _detected(sample: bytes) -> str:
    """The old encoding that fits best; Western European where it fits about as well, being the most common."""
    from charset_normalizer import from_bytes

    matches = from_bytes(sample, cp_isolation=CODE_PAGES)
    best, western = matches.best(), next((each for each in matches if each.encoding == "cp1252"), None)
    foreign = sum(byte > 0x7F for byte in sample)
    if best is None or (foreign < MOSTLY_ASCII * len(sample) and len(sample) < SHORT):
        return "cp1252"
    if western is not None and western.chaos - western.coherence <= best.chaos - best.coherence + NEARLY:
        return "cp1252"
    return best.encoding


def _utf16_without_mark(sample: bytes) -> str | None:
    """UTF-16 of which every other byte is mostly NUL, and which makes sense when it is decoded."""
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    half = max(1, len(sample) // 2)
    if max(even, odd) < 0.3 * half or min(even, odd) > 0.05 * half:
        return None
    encoding = "utf-16-le" if odd > even else "utf-16-be"
    text = sample[: len(sample) // 2 * 2].decode(encoding, "replace")
    return encoding if len(WITHOUT_MEANING.findall(text)) <= TOLERATED_CONTROLS * len(text) else None


def _cleaned(text: str) -> str:
    return WITHOUT_MEANING.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip("\n")
