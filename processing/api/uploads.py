"""Receiving a file: written to disk while it arrives, hashed on the way, and refused as soon as it is too large."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from typing import Any

from django.core.exceptions import TooManyFilesSent
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.viewsets import ViewSet

from processing.api import throttling
from processing.documents import space, store
from processing.errors import InvalidInput, ServiceUnavailable
from processing.queue import admission
from processing.runtime.configuration import current
from processing.runtime.parameters import BYTES_PER_MB

FIELD = "file"
FILES = "files"  # where several may come
MAX_FILES = 20
MOST_TOGETHER = 4  # times the size of one, for all files of one request
ROOM_FOR_FIELDS = 1024 * 1024  # bytes that a multipart body may have beside the file
_MOST_FILES = 100  # that a form may have in which one is taken


class ReceivedFile(TemporaryUploadedFile):
    """A file on disk that was hashed while it arrived."""

    def __init__(self, name: str, content_type: str | None, charset: str | None) -> None:
        super().__init__(name, content_type, 0, charset)
        self._digest = hashlib.sha256()

    def take(self, data: bytes) -> None:
        """Append what has arrived. Raises `ServiceUnavailable` (`disk_full`), and then the file is gone."""
        self._digest.update(data)
        with self._gone_when_disk_is_full():
            self.write(data)

    def finish(self, size: int) -> None:
        """All of it, `size` bytes, has arrived. Raises as `take` does."""
        with self._gone_when_disk_is_full():
            self.seek(0)
        self.size = size

    @contextlib.contextmanager
    def _gone_when_disk_is_full(self) -> Iterator[None]:
        try:
            with space.refusing_when_full():
                yield
        except ServiceUnavailable:
            with contextlib.suppress(OSError):  # What is still in the buffer fits no better now.
                self.close()
            raise

    @property
    def sha256(self) -> str:
        """The digest of the whole, in hex."""
        return self._digest.hexdigest()


class BoundedUploadHandler(FileUploadHandler):
    """Takes the one part called `file`; other files are read past and named in `ignored`.

    Neither the file nor what is read past may be larger than `max_file_size`.
    """

    chunk_size = 1024 * 1024

    def __init__(self, request: HttpRequest, on_file: Callable[[], None] = lambda: None) -> None:
        """`on_file` is called when the file begins, and may raise, so that nothing of it is read."""
        super().__init__(request)
        self._on_file = on_file
        self.limit = 0
        self.ignored: list[str] = []
        self.received: ReceivedFile | None = None
        self._is_taking = False
        self._read_past = 0
        self._files = 0
        self._whole = False

    def handle_raw_input(
        self,
        input_data: Any,
        META: Any,  # noqa: N803  (Django's name)
        content_length: int,
        boundary: Any,
        encoding: str | None = None,
    ) -> None:
        """Refuse a body that is too large by what its header says, before a byte of it is read.

        A chunked body has no length; it is counted as it arrives.
        """
        self.limit = current().parameters.file_limit
        chunked = bool(META.get("HTTP_TRANSFER_ENCODING"))
        if not chunked and content_length > self.limit + ROOM_FOR_FIELDS:
            raise too_large(self.limit)

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self._files += 1
        if self._files > _MOST_FILES:
            raise TooManyFilesSent
        self._is_taking = self.field_name == FIELD and self.received is None
        if self._is_taking:
            self._on_file()
            self.received = ReceivedFile(str(self.file_name), self.content_type, self.charset)
        else:
            self.ignored.append(str(self.field_name))

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        taken = self.received if self._is_taking else None
        if taken is None:
            self._read_past += len(raw_data)
        if (self._read_past if taken is None else start + len(raw_data)) > self.limit:
            if self.received is not None:
                self.received.close()
            raise too_large(self.limit)
        if taken is not None:
            taken.take(raw_data)

    def file_complete(self, file_size: int) -> ReceivedFile | None:
        if not self._is_taking or self.received is None:
            return None
        self.received.finish(file_size)
        self._whole = True
        return self.received

    def upload_interrupted(self) -> None:
        """Called when the last file of a body broke off, be it ours or one that was read past."""
        if self.received is not None and not self._whole:
            self.received.close()


class BoundedFilesHandler(BoundedUploadHandler):
    """Takes all parts called `files`, `MAX_FILES` at most; together they may be `MOST_TOGETHER` times as large as one.

    What is read past is bounded as above.
    """

    def __init__(self, request: HttpRequest, on_file: Callable[[], None] = lambda: None) -> None:
        super().__init__(request, on_file)
        self.all_received: list[ReceivedFile] = []
        self._complete = 0  # bytes of the files that came before

    def handle_raw_input(
        self,
        input_data: Any,
        META: Any,  # noqa: N803  (Django's name)
        content_length: int,
        boundary: Any,
        encoding: str | None = None,
    ) -> None:
        self.limit = current().parameters.file_limit
        chunked = bool(META.get("HTTP_TRANSFER_ENCODING"))
        if not chunked and content_length > MOST_TOGETHER * self.limit + ROOM_FOR_FIELDS:
            raise too_large(self.limit)

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        FileUploadHandler.new_file(self, *args, **kwargs)
        self._is_taking = self.field_name == FILES
        if not self._is_taking:
            self.ignored.append(str(self.field_name))
            return
        if len(self.all_received) >= MAX_FILES:
            self._drop()
            raise InvalidInput(f"Send {MAX_FILES} files at most.", "too_many_files")
        if not self.all_received:
            self._on_file()
        self.received = ReceivedFile(str(self.file_name), self.content_type, self.charset)
        self._whole = False
        self.all_received.append(self.received)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if self._is_taking and self._complete + start + len(raw_data) > MOST_TOGETHER * self.limit:
            self._drop()
            raise too_large(self.limit)
        try:
            super().receive_data_chunk(raw_data, start)
        except (InvalidInput, ServiceUnavailable):
            self._drop()
            raise

    def file_complete(self, file_size: int) -> ReceivedFile | None:
        self._complete += file_size if self._is_taking else 0
        return super().file_complete(file_size)

    def upload_interrupted(self) -> None:
        self._drop()

    def _drop(self) -> None:
        for each in self.all_received:
            with contextlib.suppress(OSError):
                each.close()


class FileViewSet(ViewSet):
    """A resource that takes a file. `uploads` is the handler that the body went through."""

    parser_classes = [MultiPartParser]
    upload_handler: type[BoundedUploadHandler] = BoundedUploadHandler
    uploads: BoundedUploadHandler

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """Before the body is touched, by the CSRF check or by anyone."""
        self.uploads = self.upload_handler(request, on_file=lambda: throttling.count_upload(request, self))
        request.upload_handlers = [self.uploads]
        return super().initialize_request(request, *args, **kwargs)

    def digests(self) -> list[tuple[str, str, str]]:
        """The file that was received, as `repeats.digest` takes it; none where there was none."""
        received = self.uploads.received
        return [] if received is None else [(FIELD, str(received.name), received.sha256)]

    def require_means(self, request: Request) -> None:
        """Refuse a body for which there is no memory or no room on the disk, before it is read.

        No body takes more room than the largest file: a longer one is refused, and a chunked one, which stands as
        immensely long, is counted while it arrives. Raises `ServiceUnavailable` (`memory_pressure`, `disk_full`).
        """
        parameters = current().parameters
        length = str(request.META.get("CONTENT_LENGTH") or "")
        declared = int(length) if length.isdecimal() else 0
        admission.require_means(parameters, min(declared, parameters.file_limit))


def named_file(name: str) -> ReceivedFile:
    """A file to be written, under a name that anybody may have made up. Whoever makes it closes it."""
    return ReceivedFile(store.display_name(name), None, None)


def receive_raw(request: HttpRequest, name: str, limit: int) -> ReceivedFile:
    """The body as it is, as a file of that name, to be closed by the caller.

    Its length has to be declared: an end that comes early could not be told from the end otherwise.

    Raises `InvalidInput` (`length_required`, `file_too_large`), `ServiceUnavailable` (`disk_full`) and
    `UnreadablePostError`.
    """
    length = str(request.META.get("CONTENT_LENGTH") or "0")
    if request.META.get("HTTP_TRANSFER_ENCODING") or not length.isdecimal():
        raise InvalidInput("Declare the length of the document: Content-Length.", "length_required")
    if int(length) > limit:
        raise too_large(limit)
    file = named_file(name)
    size = 0
    try:
        while piece := request.read(BoundedUploadHandler.chunk_size):
            size += len(piece)
            if size > limit:
                raise too_large(limit)
            file.take(piece)
        file.finish(size)
    except BaseException:
        with contextlib.suppress(OSError):
            file.close()
        raise
    return file


def too_large(limit: int) -> InvalidInput:
    """The contract's sentence for a file over `limit` bytes."""
    return InvalidInput(f"File too large. Maximum size: {limit / BYTES_PER_MB:.1f}MB", "file_too_large")
