"""Reads an archive member by member, believing nothing: not names, kinds, order or lengths, and no byte before its
hash is compared.

Only what this service writes is taken: regular files with the names and in the order that the manifest's module lists,
documents in ascending order. So there is no other directory to be led to, no link, no device, and nothing twice; and
since the tar is not compressed, it holds no more than it weighs.
"""

from __future__ import annotations

import json
import re
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any, BinaryIO

from processing.documents.disposal import ROOT
from processing.operations.backup import manifest as manifests
from processing.operations.backup.errors import RestoreRefusedError
from processing.operations.backup.manifest import CHECKSUMS, DOCUMENTS, FILES, FORMAT_MEMBER, MANIFEST, Manifest
from processing.operations.backup.writing import Hashing

_RANKS = {
    FORMAT_MEMBER: -1,
    manifests.CONFIGURATION: 0,
    manifests.SQLITE: 1,
    manifests.POSTGRESQL: 1,
    manifests.SECRET_KEY: 2,
    DOCUMENTS: 4,
    CHECKSUMS: 5,
    MANIFEST: 6,
}
# As `documents.store` names them: by owner and content.
_PATH = re.compile(rf"{ROOT}/[0-9]{{1,20}}/[0-9a-f]{{2}}/[0-9a-f]{{64}}", re.ASCII)
_LINE = 1000  # bytes of the longest line in the list of documents
_MANIFEST_BYTES = 4 << 20
_DAMAGED = "The archive is damaged or was changed:"
_NONE = "This is no archive of a backup."
_INCOMPLETE = "The archive is incomplete: it ends before its manifest."


@dataclass(frozen=True, slots=True)
class Member:
    """One file of the archive, to be read once, in passing."""

    name: str
    size: int
    file: Hashing

    @property
    def path(self) -> str:
        """Of a document: where it lies in the storage."""
        return self.name.removeprefix(FILES)

    @property
    def is_document(self) -> bool:
        return self.name.startswith(FILES)


def walk(stream: BinaryIO, take: Callable[[Member], None]) -> Manifest:
    """Give `take` each member but the last two, and compare all hashes; returns the manifest, whose signature is yet to
    be checked. Raises `RestoreRefusedError`."""
    try:
        return _walk(stream, take)
    except tarfile.TarError as error:  # of a member that ends too early
        raise RestoreRefusedError(_INCOMPLETE) from error


def _walk(stream: BinaryIO, take: Callable[[Member], None]) -> Manifest:
    with tempfile.TemporaryFile() as seen:
        listed, manifest = "", None
        for member in _members(stream):
            if member.name == CHECKSUMS:
                listed = _compare(member.file, seen)
            elif member.name == MANIFEST:
                manifest = _manifest(member)
            else:
                if member.name == FORMAT_MEMBER:
                    manifests.require_format(member.file.read(10))
                else:
                    take(member)
                member.file.drain()
                seen.write(f"{member.file.hexdigest()}  {member.name}\n".encode())
        if manifest is None:
            raise RestoreRefusedError(_INCOMPLETE)
        if not listed or listed != manifest.checksums:
            raise RestoreRefusedError(f"{_DAMAGED} its list of checksums is not the one that belongs to it.")
        _require_end(stream)
    return manifest


class _PlainHeader(tarfile.TarInfo):
    """A header of a regular file. All others are refused before their content is looked at."""

    @classmethod
    def frombuf(cls, *args: Any, **kwargs: Any) -> _PlainHeader:
        header = super().frombuf(*args, **kwargs)
        if header.type != tarfile.REGTYPE or header.size < 0:
            raise RestoreRefusedError(f"{_DAMAGED} {header.name[:100]!r} is no regular file.")
        return header


def _members(stream: BinaryIO) -> Iterator[Member]:
    last: tuple[int, str] = (-2, "")
    try:
        with tarfile.open(fileobj=stream, mode="r|", tarinfo=_PlainHeader, bufsize=1 << 20) as tar:
            for header in tar:
                place = _rank(header.name), header.name
                if last == (-2, "") and header.name != FORMAT_MEMBER:
                    raise RestoreRefusedError(_NONE)
                if place <= last or (place[0] == last[0] and not header.name.startswith(FILES)):
                    raise RestoreRefusedError(f"{_DAMAGED} {header.name[:100]!r} comes twice, or not in its place.")
                last = place
                content = tar.extractfile(header)
                assert content is not None  # noqa: S101  (a regular file)
                member = Member(header.name, header.size, Hashing(content))
                yield member
                member.file.drain()
                if member.file.count != header.size:
                    raise RestoreRefusedError(_INCOMPLETE)
    except (tarfile.TarError, EOFError, UnicodeDecodeError) as error:
        if last == (-2, ""):
            raise RestoreRefusedError(_NONE) from error
        raise RestoreRefusedError(_INCOMPLETE) from error


def _rank(name: str) -> int:
    if name in _RANKS:
        return _RANKS[name]
    if name.startswith(FILES) and _PATH.fullmatch(name.removeprefix(FILES)):
        return 3
    raise RestoreRefusedError(f"{_DAMAGED} it has a member {name[:100]!r}, which no backup has.")


def _compare(given: Hashing, seen: IO[bytes]) -> str:
    """Both lists line by line; returns the hash of the given one."""
    seen.seek(0)
    for line in seen:
        if given.read(len(line)) != line:
            name = line.split(b"  ", 1)[1].decode().strip()
            raise RestoreRefusedError(f"{_DAMAGED} {name!r} does not have its checksum.")
    if given.read(1):
        raise RestoreRefusedError(f"{_DAMAGED} members are missing.")
    return given.hexdigest()


def _manifest(member: Member) -> Manifest:
    if member.size > _MANIFEST_BYTES:
        raise RestoreRefusedError(f"{_DAMAGED} its manifest is too large.")
    return manifests.read(member.file.read())


def _require_end(stream: BinaryIO) -> None:
    while piece := stream.read(1 << 16):
        if piece.strip(b"\0"):
            raise RestoreRefusedError(f"{_DAMAGED} something follows its end.")


def listed(member: Member) -> Iterator[tuple[str, int]]:
    """Place and size of each document in the archive's list of them. Raises `RestoreRefusedError`."""
    for line in member.file.lines(_LINE):
        try:
            entry = json.loads(line)
            path, size = entry["path"], entry["bytes"]
            is_one = _PATH.fullmatch(path) is not None and isinstance(size, int)
        except (ValueError, TypeError, KeyError, RecursionError):
            is_one = False
        if not is_one:
            raise RestoreRefusedError(f"{_DAMAGED} its list of documents cannot be read.")
        yield path, size
