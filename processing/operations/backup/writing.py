"""Writes an archive: a tar whose members are hashed as they pass, the list of their hashes and the manifest last."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, BinaryIO

from processing.operations.backup.errors import BackupFailedError
from processing.operations.backup.manifest import CHECKSUMS, FORMAT, FORMAT_MEMBER, MANIFEST, Manifest

_PIECE = 1 << 20  # bytes


class Hashing:
    """A file whose bytes are hashed as they are read; `count` is how many there were."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.count = 0

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        self._hash.update(piece)
        self.count += len(piece)
        return piece

    def lines(self, longest: int) -> Iterator[bytes]:
        """Line by line; one that is longer comes in pieces."""
        while piece := self._file.readline(longest):
            self._hash.update(piece)
            self.count += len(piece)
            yield piece

    def drain(self) -> None:
        """Read what is left."""
        while self.read(_PIECE):
            pass

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


class Writer:
    """`checksums` is a file that the hashes are collected in, one line for each member as sha256sum reads it."""

    def __init__(self, out: BinaryIO, checksums: Path) -> None:
        # GNU's form: sizes beyond 8 GB without further headers. Names here are short.
        self._tar = tarfile.open(fileobj=out, mode="w|", format=tarfile.GNU_FORMAT, bufsize=_PIECE)  # noqa: SIM115 - closed by `finish`
        self._path = checksums
        self._checksums = checksums.open("wb")
        self.add_bytes(FORMAT_MEMBER, f"{FORMAT}\n".encode())

    def add(self, name: str, size: int, file: IO[bytes]) -> str:
        """Add a member of exactly so many bytes; returns its SHA-256. Raises `BackupFailedError` where the file has
        fewer."""
        found = self._add(name, size, file)
        self._checksums.write(f"{found}  {name}\n".encode())
        return found

    def add_bytes(self, name: str, content: bytes) -> None:
        self.add(name, len(content), io.BytesIO(content))

    def add_file(self, name: str, path: Path) -> None:
        with path.open("rb") as file:
            self.add(name, path.stat().st_size, file)

    def finish(self, manifest: Callable[[str], Manifest]) -> None:
        """Add the hashes, and the manifest that is made for them."""
        self._checksums.close()
        with self._path.open("rb") as file:
            found = self._add(CHECKSUMS, self._path.stat().st_size, file)
        content = manifest(found).as_json()
        self._add(MANIFEST, len(content), io.BytesIO(content))
        self._tar.close()

    def _add(self, name: str, size: int, file: IO[bytes]) -> str:
        member = tarfile.TarInfo(name)
        member.size = size
        member.mode = 0o600
        hashing = Hashing(file)
        self._tar.addfile(member, hashing)
        if hashing.count != size:
            raise BackupFailedError(f"{name} became shorter while it was read. Try again.")
        return hashing.hexdigest()
