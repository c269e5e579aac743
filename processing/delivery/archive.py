"""The results of a batch as bytes that are made while they are sent: lines of JSON, or a ZIP."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterable, Iterator
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from typing_extensions import Buffer

_UNSAFE = re.compile(r'[\\/:*?"<>|\x00-\x1f\x7f]')  # in the name of a file on any system
_LONGEST = 100  # characters of a document's name


def lines(records: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """One line of JSON for each."""
    for record in records:
        yield json.dumps(record, cls=DjangoJSONEncoder).encode() + b"\n"


def zipped(records: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """A ZIP with a JSON file for each, and beside it the answer's text, where there is one."""
    written = _Written()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for record in records:
            name = f"{record['line']:04d}-{safe(record['file'])}"
            archive.writestr(f"{name}.json", json.dumps(record, cls=DjangoJSONEncoder, indent=2))
            content = (record["result"] or {}).get("content")
            if content:
                archive.writestr(f"{name}.md", content)
            yield written.taken()
    yield written.taken()


def safe(name: str) -> str:
    """A document's name as a part of a file's: it leads nowhere, whoever unpacks it."""
    return _UNSAFE.sub("_", name).strip(". ")[:_LONGEST] or "document"


class _Written(io.RawIOBase):
    """What was written since it was last taken. It cannot seek, which the archive is told by `tell` raising."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer) -> int:
        """As `io.RawIOBase.write`."""
        piece = bytes(data)
        self._bytes += piece
        return len(piece)

    def taken(self) -> bytes:
        """The bytes since the last call."""
        piece = bytes(self._bytes)
        self._bytes.clear()
        return piece
