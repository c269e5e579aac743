"""The one way to stored bytes, whichever storage holds them: bounded in memory, with one error for all that ails it.

Names are paths below the storage's root. A missing file is a `FileNotFoundError`, a full disk `ServiceUnavailable`
(`disk_full`), anything else `StorageUnavailable`.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import BinaryIO, cast

from django.conf import settings
from django.core.files import File
from django.core.files.storage import Storage, default_storage
from django.utils.http import content_disposition_header

from processing.documents import space
from processing.documents.storages.remote import MIB, RemoteStorage, StoredFile
from processing.errors import DocumentFailed, StorageUnavailable

_TRIES = 2  # to read an object that has begun to arrive
_LINK_SECONDS = 60
_LONGEST_CAUSE = 300  # characters of what a storage's library says
logger = logging.getLogger(__name__)


class Blobs:
    """The files of one storage."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    @property
    def is_local(self) -> bool:
        """Whether the storage is this machine's file system, or is mounted in it."""
        return self._remote is None

    @property
    def _remote(self) -> RemoteStorage | None:
        return self._storage if isinstance(self._storage, RemoteStorage) else None

    def put(self, path: str, file: File[bytes]) -> None:
        """Store a file under exactly this path. Where a local storage has one of the name, the new copy is given up; an
        object elsewhere is replaced."""
        file.seek(0)
        with self._reaching(missing=False), space.refusing_when_full():
            if self._remote is not None:
                self._remote.put(path, file)
                return
            stored = self._storage.save(path, file)
            if stored != path:
                self._storage.delete(stored)

    def size(self, path: str) -> int:
        """Bytes of a file."""
        with self._reaching():
            return self._storage.size(path)

    def modified(self, path: str) -> datetime:
        """When a file was last written."""
        with self._reaching():
            return self._storage.get_modified_time(path)

    def exists(self, path: str) -> bool:
        """Whether there is such a file. False for all of them where a disk is not mounted or a bucket is gone."""
        with self._reaching():
            return self._storage.exists(path)

    def delete(self, path: str) -> None:
        """Delete a file, if there is one."""
        with self._reaching():
            self._storage.delete(path)

    def walk(self, below: str) -> Iterator[StoredFile]:
        """All files below a directory; none where there is no such directory."""
        if self._remote is not None:
            with self._reaching(missing=False):
                yield from self._remote.walk(below)
            return
        try:
            with self._reaching():
                directories, files = self._storage.listdir(below)
        except FileNotFoundError:
            return
        for name in files:
            yield StoredFile(f"{below}/{name}")
        for name in directories:
            yield from self.walk(f"{below}/{name}")

    def holds_anything(self, below: str) -> bool:
        """Whether anything lies below a directory."""
        if self._remote is not None:
            return next(self.walk(below), None) is not None
        try:
            with self._reaching():
                return any(self._storage.listdir(below))
        except FileNotFoundError:
            return False

    def opened(self, path: str, size: int, sha256: str) -> BinaryIO:
        """A file with a descriptor, to be closed by the caller: of a local storage the very file, else a nameless copy
        on this machine's disk that has `size` bytes and this digest (hex).

        Raises `DocumentFailed` (`document_damaged`) where what is stored has not.
        """
        if self._remote is None:
            with self._reaching():
                return cast(BinaryIO, self._storage.open(path, "rb"))
        return self._copied(self._remote, path, size, sha256)

    def verified(self, path: str, size: int, sha256: str) -> BinaryIO:
        """As `opened`, with the digest of a local file looked at too."""
        file = self.opened(path, size, sha256)
        if self.is_local:
            with self._reaching():
                found = _digest(file)
            if found != sha256:
                file.close()
                raise _damaged()
            file.seek(0)
        return file

    def link(self, path: str, filename: str) -> str | None:
        """An address by which anybody gets the file under this name for a minute; None of a local storage."""
        if self._remote is None:
            return None
        disposition = content_disposition_header(True, filename)  # noqa: FBT003 - Django's own signature
        with self._reaching():
            return self._remote.download_url(path, str(disposition), _LINK_SECONDS)

    def _copied(self, remote: RemoteStorage, path: str, size: int, sha256: str) -> BinaryIO:
        for tries_left in reversed(range(_TRIES)):
            copy = _Copy()
            try:
                with self._reaching(), space.refusing_when_full():
                    remote.pour(path, copy)
                    if copy.is_whole(size, sha256):
                        return copy.from_its_beginning()
            except BaseException as error:
                copy.file.close()
                if not (isinstance(error, StorageUnavailable) and copy.size and tries_left):
                    raise
            copy.file.close()
            logger.warning("document arrived in part", extra={"bytes": copy.size, "of": size})
        if copy.size == size or self.size(path) != size:
            raise _damaged()
        raise StorageUnavailable

    @contextmanager
    def _reaching(self, *, missing: bool = True) -> Iterator[None]:
        """One error for whatever the storage's own library may raise. `missing`: whether what is not there can be a
        file; otherwise it is the bucket."""
        remote = self._remote
        expected: tuple[type[Exception], ...] = (OSError, *(() if remote is None else remote.library_errors))
        try:
            yield
        except FileNotFoundError:
            raise
        except expected as error:
            if space.is_full(error):
                raise
            if missing and remote is not None and remote.is_missing(error):
                raise FileNotFoundError("There is no such object.") from error
            cause = f"{type(error).__name__}: {error}"[:_LONGEST_CAUSE]
            logger.warning("storage failed", extra={"action": "storage_failed", "cause": cause})
            raise StorageUnavailable from error


class _Copy:
    """A nameless file on the disk that uploads arrive on, counted and hashed while it is written."""

    def __init__(self) -> None:
        self.file = tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR)  # noqa: SIM115 - handed on
        self.size = 0
        self._digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.size += len(data)
        self._digest.update(data)
        return self.file.write(data)

    def is_whole(self, size: int, sha256: str) -> bool:
        return (self.size, self._digest.hexdigest()) == (size, sha256)

    def from_its_beginning(self) -> BinaryIO:
        self.file.seek(0)
        return cast(BinaryIO, self.file)


def _digest(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while piece := file.read(MIB):
        digest.update(piece)
    return digest.hexdigest()


def _damaged() -> DocumentFailed:
    return DocumentFailed("The stored document is damaged. Erase it and upload it again.", "document_damaged")


documents = Blobs(default_storage)
