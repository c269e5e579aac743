"""OpenDocument packages made safe to open: bombs, DTDs, encrypted and foreign packages refused."""

from __future__ import annotations

from typing import BinaryIO

from processing.documents import containers
from processing.documents.containers import MIMETYPES
from processing.documents.limits import Limits

MANIFEST = "META-INF/manifest.xml"
ENCRYPTED = b"encryption-data"


def refuse_unsound(file: BinaryIO, limits: Limits, kind: str) -> None:
    """Raise `UnreadableDocument` unless the file is a whole package of the kind `odt` or `ods`."""
    with containers.archive(file, limits) as archive:
        names = archive.namelist()
        mimetype = containers.content(archive, "mimetype")[:200] if "mimetype" in names else b""
        found = MIMETYPES.get(mimetype.decode("ascii", "replace").strip().removesuffix("-template"))
        if found != kind:
            raise containers.another(found, kind)
        if MANIFEST in names and ENCRYPTED in containers.content(archive, MANIFEST):
            raise containers.encrypted()
        if "content.xml" not in names:
            raise containers.broken()
        for member in archive.infolist():
            if containers.is_xml(member):
                containers.refuse_dtd(containers.content(archive, member))
