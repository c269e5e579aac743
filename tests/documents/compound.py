"""Compound files (MS-CFB) made on the spot: a minimal workbook (BIFF8), a minimal Outlook message, a minimal document
of the older Word; workbook and document also with a password."""

from __future__ import annotations

import hashlib
import io
import struct
from dataclasses import dataclass

from msoffcrypto.method.rc4 import DocumentRC4

SECTOR, SMALL, CUTOFF = 512, 64, 4096
END, FREE, FAT = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD
BOF, FILE_PASS, BOUND_SHEET = 0x0809, 0x002F, 0x0085  # records of a workbook
CLX, TEXT_AT, CLEAR = 33, 2048, 68  # of a document: the entry for its pieces, where its text begins, what is not sealed
SALT = bytes(range(100, 116))
Tree = dict[str, "bytes | Tree"]


@dataclass
class Entry:
    """An entry of the directory: the root is of kind 5, a storage of kind 1, a stream of kind 2."""

    name: str
    kind: int
    content: bytes = b""
    child: int = FREE
    sibling: int = FREE


def container(tree: Tree) -> bytes:
    """A compound file with these streams, and storages where there is another dictionary."""
    entries = [Entry("Root Entry", 5)]
    _lay_out(tree, entries[0], entries)
    small, small_fat = b"", []
    sectors: list[bytes] = []
    fat: list[int] = []

    def chain(content: bytes) -> int:
        start = len(sectors)
        pieces = [content[at : at + SECTOR].ljust(SECTOR, b"\0") for at in range(0, len(content), SECTOR)]
        sectors.extend(pieces)
        fat.extend([*range(start + 1, start + len(pieces)), END] if pieces else [])
        return start if pieces else END

    starts = {}
    for entry in entries:
        if entry.kind == 2 and len(entry.content) < CUTOFF:
            starts[id(entry)] = len(small_fat) if entry.content else END
            count = -(-len(entry.content) // SMALL)
            small_fat.extend([*range(len(small_fat) + 1, len(small_fat) + count), END] if count else [])
            small += entry.content.ljust(count * SMALL, b"\0")
        elif entry.kind == 2:
            starts[id(entry)] = chain(entry.content)
    entries[0].content = small
    starts[id(entries[0])] = chain(small)
    small_start = chain(struct.pack(f"<{len(small_fat)}I", *small_fat).ljust(SECTOR, b"\xff")) if small_fat else END
    directory_start = chain(b"".join(_packed(each, starts.get(id(each), 0)) for each in entries))
    fat_start = len(sectors)
    fat_sectors = len(fat) // (SECTOR // 4 - 1) + 1
    fat.extend([FAT] * fat_sectors)
    header = struct.pack(
        "<8s16xHHHHH10xIIIIIIIII",
        *(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 0x3E, 3, 0xFFFE, 9, 6),
        *(fat_sectors, directory_start, 0, CUTOFF, small_start, 1 if small_fat else 0, END, 0, fat_start),
    )
    rest = [fat_start + number if number < fat_sectors else FREE for number in range(1, 109)]
    table = struct.pack(f"<{len(fat)}I", *fat).ljust(fat_sectors * SECTOR, b"\xff")
    return header + struct.pack("<108I", *rest) + b"".join(sectors) + table


def _lay_out(tree: Tree, parent: Entry, entries: list[Entry]) -> None:
    """Entries in a chain to the right, which is a tree that every reader takes."""
    previous = None
    for name, content in sorted(tree.items(), key=lambda each: (len(each[0]), each[0].upper())):
        entry = Entry(name, 1) if isinstance(content, dict) else Entry(name, 2, content)
        if previous is None:
            parent.child = len(entries)
        else:
            previous.sibling = len(entries)
        entries.append(entry)
        previous = entry
        if isinstance(content, dict):
            _lay_out(content, entry, entries)


def _packed(entry: Entry, start: int) -> bytes:
    name = (entry.name + "\0").encode("utf-16-le")
    return struct.pack(
        "<64sHBBIII36xIQ",
        *(name, len(name), entry.kind, 1, FREE, entry.sibling, entry.child, start, len(entry.content)),
    )


def workbook(*, password: str | None = None) -> bytes:
    """A sheet named Prices with a heading, a text and a number."""

    def record(number: int, content: bytes) -> bytes:
        return struct.pack("<HH", number, len(content)) + content

    def label(row: int, column: int, text: str) -> bytes:
        return record(0x0204, struct.pack("<HHHHB", row, column, 0, len(text), 0) + text.encode("latin-1"))

    sheet = (
        record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0010, 0, 0, 0, 0))
        + record(0x0200, struct.pack("<IIHHH", 0, 2, 0, 2, 0))
        + label(0, 0, "Item")
        + label(0, 1, "Price")
        + label(1, 0, "Tea")
        + record(0x0203, struct.pack("<HHHd", 1, 1, 0, 4.5))
        + record(0x000A, b"")
    )
    start = record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0005, 0, 0, 0, 0))
    if password is not None:
        start += record(FILE_PASS, struct.pack("<HHH", 1, 1, 1) + _verifier(password))
    start += record(0x0042, struct.pack("<H", 1200))
    name = b"Prices"
    length = len(start) + 4 + 8 + len(name) + 4
    start += record(BOUND_SHEET, struct.pack("<IHBB", length, 0, len(name), 0) + name) + record(0x000A, b"")
    stream = start + sheet
    if password is not None:
        stream = _sealed_records(stream, password)
    return container({"Workbook": stream.ljust(CUTOFF + len(stream) % 4, b"\0")})  # in records of four bytes


def _sealed_records(stream: bytes, password: str) -> bytes:
    """The records with their contents encrypted (MS-XLS 2.2.10), but for those that never are."""
    sealed = bytearray(_rc4(stream, password, 1024))
    at = 0
    while at < len(stream):
        number, size = struct.unpack_from("<HH", stream, at)
        clear = 4 + {BOF: size, FILE_PASS: size, BOUND_SHEET: 4}.get(number, 0)
        sealed[at : at + clear] = stream[at : at + clear]
        at += 4 + size
    return bytes(sealed)


def _rc4(content: bytes, password: str, block: int) -> bytes:
    return DocumentRC4.decrypt(password, SALT, io.BytesIO(content), blocksize=block).read()


def _verifier(password: str) -> bytes:
    """By what a reader knows that a password is right (MS-OFFCRYPTO 2.3.6.1)."""
    known = bytes(range(16))
    return SALT + _rc4(known + hashlib.md5(known).digest(), password, 512)


def message(file: bytes = b"%PDF") -> bytes:
    """A message to one person with a plain body and an attached file."""

    def strings(values: dict[int, str]) -> Tree:
        return {f"__substg1.0_{number:04X}001F": text.encode("utf-16-le") for number, text in values.items()}

    def properties(header: int, values: dict[int, str], numbers: dict[int, int]) -> bytes:
        found = bytes(header)
        for number, text in values.items():
            found += struct.pack("<HHIII", 0x001F, number, 6, len(text) * 2 + 2, 0)
        for number, value in numbers.items():
            found += struct.pack("<HHIII", 0x0003, number, 6, value, 0)
        return found

    main = {0x0037: "Offer", 0x1000: "Dear Bob,\r\n\r\n42 EUR.", 0x0C1A: "Alice", 0x0C1F: "alice@example.com"}
    recipient = {0x3001: "Bob", 0x3003: "bob@example.com"}
    attached = {0x3707: "offer.pdf", 0x370E: "application/pdf"}
    head = struct.pack("<8x4I8x", 1, 1, 1, 1)
    return container(
        {
            "__properties_version1.0": head + properties(0, main, {}),
            **strings(main),
            "__recip_version1.0_#00000000": {
                "__properties_version1.0": properties(8, recipient, {0x0C15: 1}),
                **strings(recipient),
            },
            "__attach_version1.0_#00000000": {
                "__properties_version1.0": properties(8, attached, {0x3705: 1})
                + struct.pack("<HHIII", 0x0102, 0x3701, 6, len(file), 0),
                "__substg1.0_37010102": file,
                **strings(attached),
            },
            "__nameid_version1.0": {"__substg1.0_00020102": b""},
        }
    )


def encrypted_office() -> bytes:
    """A container as Office makes it of a document with a password, with nothing sensible in it."""
    return container({"EncryptionInfo": bytes(300), "EncryptedPackage": bytes(5000)})


def old_word(text: str = "Report\rwords\x0csecond page\r", *, password: str | None = None) -> bytes:
    """A document of Word 97 with nothing but its text, of which \\r ends a paragraph and \\x0c a page."""
    info = struct.pack("<HH", 1, 1) + _verifier(password) if password is not None else b""
    flags = 0x0200 | (0x0100 if password is not None else 0)
    pieces = struct.pack("<IIHIH", 0, len(text), 0, TEXT_AT, 0)
    table = info + struct.pack("<BI", 2, len(pieces)) + pieces
    pairs = [(len(info), len(table) - len(info)) if number == CLX else (0, 0) for number in range(93)]
    head = struct.pack("<HHHHHHHIBB12x", 0xA5EC, 0xC1, 0, 0x0409, 0, flags, 0xBF, len(info), 0, 0)
    head += struct.pack("<H28xH12xI72xH", 14, 22, len(text), len(pairs))
    head += b"".join(struct.pack("<II", *pair) for pair in pairs) + struct.pack("<H", 0)
    word = (head.ljust(TEXT_AT, b"\0") + text.encode("utf-16-le")).ljust(CUTOFF, b"\0")
    if password is not None:
        word = word[:CLEAR] + _rc4(word, password, 512)[CLEAR:]
        table = info + _rc4(table, password, 512)[len(info) :]
    return container({"WordDocument": word, "1Table": table})
