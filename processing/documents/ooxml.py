"""OOXML packages made safe to open: zip bombs, DTDs and foreign packages refused, strict ones made usual."""

from __future__ import annotations

import io
import re
import zipfile
from typing import BinaryIO

from processing.documents.contract import UnreadableDocument
from processing.documents.limits import MIB, Limits

ZIP, OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
DTD = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)
# ISO/IEC 29500 strict and transitional differ in the names of their namespaces, and these follow one pattern.
STRICT = re.compile(rb"http://purl\.oclc\.org/ooxml/(\w+)/")
TRANSITIONAL = rb"http://schemas.openxmlformats.org/\1/2006/"
RATIO_APPLIES_FROM = MIB


def package(file: BinaryIO, limits: Limits) -> BinaryIO:
    """The package, safe to be handed to a library. Raises `UnreadableDocument`."""
    file.seek(0)
    if file.read(len(OLE)) == OLE:
        raise _compound_file(file)
    try:
        with zipfile.ZipFile(file) as archive:
            _refuse_bomb(archive.infolist(), limits)
            strict = _inspect_xml(archive)
            return _transitional(archive) if strict else file
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError, OSError, zlib_error()) as error:
        raise broken() from error
    except RuntimeError as error:  # zipfile's word for a member with a password
        raise UnreadableDocument("The document is encrypted and needs a password.", "document_encrypted") from error


def broken() -> UnreadableDocument:
    return UnreadableDocument("The document is damaged and cannot be opened.", "document_broken")


def zlib_error() -> type[Exception]:
    import zlib

    return zlib.error


def _compound_file(file: BinaryIO) -> UnreadableDocument:
    """Word encrypts a document by wrapping it into the container that its older formats used."""
    file.seek(0)
    if ENCRYPTED in file.read(16 * MIB):
        return UnreadableDocument("The document is encrypted and needs a password.", "document_encrypted")
    return UnreadableDocument("The file is of an older Office format, not of the one its name says.", "type_mismatch")


def _refuse_bomb(members: list[zipfile.ZipInfo], limits: Limits) -> None:
    unpacked = sum(each.file_size for each in members)
    xml = sum(each.file_size for each in members if _is_xml(each))
    dense = any(
        each.file_size > RATIO_APPLIES_FROM and each.file_size > limits.zip_ratio * max(1, each.compress_size)
        for each in members
    )
    if len(members) > limits.zip_entries or unpacked > limits.zip_bytes or xml > limits.xml_bytes or dense:
        raise UnreadableDocument("The document unpacks to more than may be read.", "document_too_complex")


def _is_xml(member: zipfile.ZipInfo) -> bool:
    return member.filename.lower().endswith((".xml", ".rels"))


def _inspect_xml(archive: zipfile.ZipFile) -> bool:
    """Refuse every document type definition, which OOXML forbids; tell whether the package is a strict one."""
    strict = False
    for member in archive.infolist():
        if not _is_xml(member):
            continue
        content = archive.read(member)
        plain = content.replace(b"\0", b"")  # UTF-16 hides nothing
        if DTD.search(plain):
            raise UnreadableDocument(
                "The document has a document type definition, which is refused.", "document_broken"
            )
        strict = strict or STRICT.search(plain) is not None
    return strict


def _transitional(archive: zipfile.ZipFile) -> BinaryIO:
    rewritten = io.BytesIO()
    with zipfile.ZipFile(rewritten, "w", zipfile.ZIP_STORED) as target:
        for member in archive.infolist():
            content = archive.read(member)
            target.writestr(member.filename, STRICT.sub(TRANSITIONAL, content) if _is_xml(member) else content)
    rewritten.seek(0)
    return rewritten
