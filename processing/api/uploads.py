"""Receiving a file: written to disk while it arrives, hashed on the way, and refused as soon as it is too large."""

from __future__ import annotations

import hashlib
from typing import Any

from django.core.files.uploadedfile import TemporaryUploadedFile
from django.core.files.uploadhandler import SkipFile, TemporaryFileUploadHandler
from django.http import HttpRequest

from processing.errors import InvalidInput
from processing.runtime.parameters import BYTES_PER_MB

FIELD = "file"
_ROOM_FOR_FIELDS = 1024 * 1024  # bytes that a multipart body may have beside the file


class ReceivedFile(TemporaryUploadedFile):
    """A file that arrived whole; `sha256` is its digest in hex."""

    sha256 = ""


class BoundedUploadHandler(TemporaryFileUploadHandler):
    """Takes the one part called `file`, up to `limit` bytes; other files are read past and named in `ignored`."""

    chunk_size = 1024 * 1024

    def __init__(self, request: HttpRequest, limit: int) -> None:
        super().__init__(request)
        self.limit = limit
        self.ignored: list[str] = []
        self._taken = False
        self._arrived = 0
        self._digest = hashlib.sha256()

    def handle_raw_input(
        self,
        input_data: Any,
        META: Any,  # noqa: N803
        content_length: int,
        boundary: Any,
        encoding: str | None = None,
    ) -> None:
        """Refuse a body that is too large by what its header says, before a byte of it is read.

        A chunked body has no length; it is counted as it arrives.
        """
        chunked = bool(META.get("HTTP_TRANSFER_ENCODING"))
        if not chunked and content_length > self.limit + _ROOM_FOR_FIELDS:
            raise too_large(self.limit)

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        if self.field_name != FIELD or self._taken:
            self.ignored.append(self.field_name)
            self.file.close()
            raise SkipFile
        self._taken = True

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self._arrived += len(raw_data)
        if self._arrived > self.limit:
            self.file.close()
            raise too_large(self.limit)
        self._digest.update(raw_data)
        super().receive_data_chunk(raw_data, start)

    def file_complete(self, file_size: int) -> ReceivedFile:
        file = super().file_complete(file_size)
        file.__class__ = ReceivedFile
        file.sha256 = self._digest.hexdigest()
        return file  # type: ignore[no-any-return]

    def upload_interrupted(self) -> None:
        if self._taken:
            self.file.close()


def too_large(limit: int) -> InvalidInput:
    """The contract's sentence for a file over `limit` bytes."""
    return InvalidInput(f"File too large. Maximum size: {limit / BYTES_PER_MB:.1f}MB", "file_too_large")
