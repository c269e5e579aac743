"""OOXML packages made safe to open: zip bombs, DTDs and foreign packages refused, strict ones made usual."""

from __future__ import annotations

import io
import re
import zipfile
from typing import BinaryIO

from processing.documents import containers, office_passwords
from processing.documents.containers import OLE, ZIP, broken
from processing.documents.limits import Limits

__all__ = ["OLE", "ZIP", "broken", "matches", "package"]

# ISO/IEC 29500 strict and transitional differ in the names of their namespaces, and these follow one pattern.
STRICT = re.compile(rb"http://purl\.oclc\.org/ooxml/(\w+)/")
TRANSITIONAL = rb"http://schemas.openxmlformats.org/\1/2006/"
TYPES = "[Content_Types].xml"


def matches(head: bytes, kind: str) -> bool:
    """Whether a file that begins so can be a package of this kind, or the container in which Office encrypts one."""
    return containers.is_zip_of(head, kind) or containers.is_compound_of(head, "encrypted")


def package(file: BinaryIO, limits: Limits, kind: str, password: str | None = None) -> BinaryIO:
    """The package, safe for a library; `kind` is `docx`, `xlsx` or `pptx`. Raises `UnreadableDocument`."""
    file.seek(0)
    if file.read(len(OLE)) == OLE:
        file = _decrypted(file, limits, kind, password)
    with containers.archive(file, limits) as archive:
        strict = _inspect_xml(archive)
        _refuse_another(archive, kind)
        return _transitional(archive) if strict else file


def _decrypted(file: BinaryIO, limits: Limits, kind: str, password: str | None) -> BinaryIO:
    """Office encrypts a document by wrapping it into the container that its older formats used."""
    found = containers.compound_kind_of(file)
    if found != "encrypted":
        raise containers.another(found, kind)
    return office_passwords.decrypted_package(file, limits, password)


def _inspect_xml(archive: zipfile.ZipFile) -> bool:
    """Refuse every document type definition, which OOXML forbids; tell whether the package is a strict one."""
    strict = False
    for member in archive.infolist():
        if not containers.is_xml(member):
            continue
        content = containers.content(archive, member)
        containers.refuse_dtd(content)
        strict = strict or STRICT.search(content.replace(b"\0", b"")) is not None
    return strict


def _refuse_another(archive: zipfile.ZipFile, kind: str) -> None:
    """A package is what its content types say, whatever the file is called."""
    try:
        types = containers.content(archive, TYPES).replace(b"\0", b"")
    except KeyError:
        raise containers.another(None, kind) from None
    found = containers.kind_by_types(types)
    if found != kind:
        raise containers.another(found, kind)


def _transitional(archive: zipfile.ZipFile) -> BinaryIO:
    rewritten = io.BytesIO()
    with zipfile.ZipFile(rewritten, "w", zipfile.ZIP_STORED) as target:
        for member in archive.infolist():
            content = containers.content(archive, member)
            target.writestr(
                member.filename, STRICT.sub(TRANSITIONAL, content) if containers.is_xml(member) else content
            )
    rewritten.seek(0)
    return rewritten
