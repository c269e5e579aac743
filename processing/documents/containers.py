"""Containers that many formats share, zip archives and OLE compound files: what is in them, and whether it is safe."""

from __future__ import annotations

import re
import zipfile
import zlib
from typing import Any, BinaryIO

from processing.documents.contract import UnreadableDocument
from processing.documents.limits import MIB, Limits

ZIP, OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
LOCAL_HEADER, STORED = 30, b"\0\0"
RATIO_APPLIES_FROM = MIB
DTD = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)
ENTITY = re.compile(rb"<!ENTITY", re.IGNORECASE)

# What a package is, by the folder that its parts lie in, by the type of its main part, or by its own type.
FOLDERS = {b"word/": "docx", b"xl/": "xlsx", b"ppt/": "pptx"}
# The second alternative is Microsoft's own types, of what holds macros.
MAIN_PART = re.compile(
    rb"(?:\.|ms-)(wordprocessing|spreadsheet|presentation|word|excel|powerpoint)(?:ml)?\.[\w.]+\.main"
)
PART_KINDS = {
    b"wordprocessing": "docx",
    b"word": "docx",
    b"spreadsheet": "xlsx",
    b"excel": "xlsx",
    b"presentation": "pptx",
    b"powerpoint": "pptx",
}
MIMETYPES = {
    "application/epub+zip": "epub",
    "application/vnd.oasis.opendocument.text": "odt",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
}
# What a compound file is, by the names of its streams.
STREAMS = {
    "EncryptedPackage": "encrypted",
    "__properties_version1.0": "msg",
    "WordDocument": "doc",
    "PowerPoint Document": "ppt",
    "Workbook": "xls",
    "Book": "xls",
}
IN_WORDS = {
    "docx": "a Word document",
    "xlsx": "an Excel workbook",
    "pptx": "a PowerPoint presentation",
    "epub": "an EPUB book",
    "odt": "an OpenDocument text",
    "ods": "an OpenDocument spreadsheet",
    "encrypted": "an encrypted Office document",
    "msg": "an Outlook message",
    "doc": "a document of the older Word format",
    "ppt": "a presentation of the older PowerPoint format; save it as pptx",
    "xls": "a workbook of the older Excel format",
}


def zip_kind(head: bytes) -> str | None:
    """Which format a zip archive is that begins with `head`; None where the beginning does not tell."""
    for match in re.finditer(re.escape(ZIP), head):
        start = match.start()
        name_length = int.from_bytes(head[start + 26 : start + 28], "little")
        extra_length = int.from_bytes(head[start + 28 : start + 30], "little")
        name = head[start + LOCAL_HEADER : start + LOCAL_HEADER + name_length]
        content = head[start + LOCAL_HEADER + name_length + extra_length :]
        if head[start + 8 : start + 10] != STORED:
            content = _inflated(content) if name in (b"mimetype", b"[Content_Types].xml") else b""
        if name == b"mimetype":
            return _by_mimetype(content[:100])
        if name == b"[Content_Types].xml":
            kind = kind_by_types(content)
            if kind:
                return kind
        for folder, kind in FOLDERS.items():
            if name.startswith(folder):
                return kind
    return None


def _by_mimetype(content: bytes) -> str:
    """The longest that fits: what begins as an OpenDocument text may be a template of one."""
    found = [mimetype for mimetype in MIMETYPES if content.startswith(mimetype.encode())]
    return MIMETYPES[max(found, key=len)] if found else "other"


def kind_by_types(content: bytes) -> str | None:
    """By the main part: a presentation may hold workbooks, whose types stand there too."""
    match = MAIN_PART.search(content)
    return PART_KINDS[match[1].lower()] if match else None


def _inflated(content: bytes) -> bytes:
    try:
        return zlib.decompressobj(-15).decompress(content, MIB)
    except zlib.error:
        return content


def compound_kind(head: bytes) -> str | None:
    """Which format a compound file is, as far as `head` shows the names of its streams."""
    for name, kind in STREAMS.items():
        if name.encode("utf-16-le") in head:
            return kind
    return None


def is_zip_of(head: bytes, kind: str) -> bool:
    """Whether a file that begins so can be a zip archive of this kind."""
    return head.startswith(ZIP) and zip_kind(head) in (kind, None)


def is_compound_of(head: bytes, *kinds: str) -> bool:
    """Whether a file that begins so can be a compound file of one of these kinds."""
    return head.startswith(OLE) and compound_kind(head) in (*kinds, None)


def opened_compound(file: BinaryIO) -> Any:
    """The compound file, by olefile. Raises `UnreadableDocument`."""
    import olefile

    file.seek(0)
    try:
        return olefile.OleFileIO(file)
    except (OSError, ValueError, IndexError, MemoryError) as error:
        raise broken() from error


def compound_kind_of(file: BinaryIO) -> str | None:
    """Which format a whole compound file is; of a damaged one, by the names that are found in it."""
    try:
        with opened_compound(file) as container:
            return next((kind for name, kind in STREAMS.items() if container.exists(name)), None)
    except UnreadableDocument:
        file.seek(0)
        return compound_kind(file.read(16 * MIB))


def archive(file: BinaryIO, limits: Limits) -> zipfile.ZipFile:
    """The zip archive, which unpacks to no more than may be read. Raises `UnreadableDocument`."""
    file.seek(0)
    try:
        opened = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError, OSError, ValueError) as error:
        raise broken() from error
    members = opened.infolist()
    unpacked = sum(each.file_size for each in members)
    xml = sum(each.file_size for each in members if is_xml(each))
    dense = any(
        each.file_size > RATIO_APPLIES_FROM and each.file_size > limits.zip_ratio * max(1, each.compress_size)
        for each in members
    )
    if len(members) > limits.zip_entries or unpacked > limits.zip_bytes or xml > limits.xml_bytes or dense:
        raise too_complex("The document unpacks to more than may be read.")
    return opened


def is_xml(member: zipfile.ZipInfo) -> bool:
    return member.filename.lower().endswith((".xml", ".rels", ".opf"))


def content(archive: zipfile.ZipFile, name: str | zipfile.ZipInfo) -> bytes:
    """A member of the archive, unpacked. Raises `UnreadableDocument`; `KeyError` where there is none of that name."""
    try:
        return archive.read(name)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, OSError, zlib.error) as error:
        raise broken() from error
    except RuntimeError as error:  # zipfile's word for a member with a password
        raise encrypted() from error


def refuse_dtd(xml: bytes) -> None:
    """Refuse XML with a document type definition, which no office format has."""
    if DTD.search(xml.replace(b"\0", b"")):  # UTF-16 hides nothing
        raise UnreadableDocument("The document has a document type definition, which is refused.", "document_broken")


def parsed(xml: bytes) -> Any:
    """The root of XML without a document type definition, by lxml. Raises `UnreadableDocument`."""
    from lxml import etree

    refuse_dtd(xml)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        return etree.fromstring(xml, parser)
    except etree.XMLSyntaxError as error:
        raise broken() from error


def broken() -> UnreadableDocument:
    return UnreadableDocument("The document is damaged and cannot be opened.", "document_broken")


def encrypted() -> UnreadableDocument:
    return UnreadableDocument(
        "The document is encrypted, and files of this type are not decrypted here. Save it without a password.",
        "document_encrypted",
    )


def too_complex(detail: str) -> UnreadableDocument:
    return UnreadableDocument(detail, "document_too_complex")


def another(kind: str | None, wanted: str) -> UnreadableDocument:
    """The file is of another kind than its name says; both in words."""
    found = IN_WORDS.get(kind or "", "something else")
    return UnreadableDocument(f"The file is not {IN_WORDS[wanted]}, but {found}.", "type_mismatch")
