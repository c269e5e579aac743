"""Receiving a batch: its documents go into the store one by one while they arrive, and what is no document is noted."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest

from processing.api.uploads import ROOM_FOR_FIELDS, ReceivedFile, too_large
from processing.documents import store
from processing.documents.models import StoredDocument
from processing.errors import InvalidInput
from processing.queue import retention
from processing.runtime.configuration import current
from processing.runtime.parameters import BYTES_PER_MB

ITEMS = "items"


@dataclass(frozen=True, slots=True)
class Part:
    """A file of the form: the document that it became, or why it became none."""

    field: str
    name: str
    sha256: str
    document: StoredDocument | None
    error: InvalidInput | None


class BatchUploadHandler(FileUploadHandler):
    """Takes every file as a document, but `items`, which is a list of what is to be done. One file at a time is on disk
    or open; of the others their rows are in memory."""

    chunk_size = 1024 * 1024

    def __init__(
        self, request: HttpRequest, on_file: Callable[[], None], keep: Callable[[ReceivedFile], StoredDocument]
    ) -> None:
        """`on_file` is called when a document begins, and may refuse the whole; `keep` stores one, or raises
        `InvalidInput` about this one alone."""
        super().__init__(request)
        self._on_file = on_file
        self._keep = keep
        self.parts: list[Part] = []
        self.items: ReceivedFile | None = None
        self.used: Collection[UUID] = ()
        self._most_bytes = self._most_items = self._limit = self._read = 0
        self._current: ReceivedFile | None = None
        self._error: InvalidInput | None = None

    def handle_raw_input(
        self,
        input_data: Any,
        META: Any,  # noqa: N803  (Django's name)
        content_length: int,
        boundary: Any,
        encoding: str | None = None,
    ) -> None:
        """Refuse a body that is too large by what its header says. A chunked one is counted as it arrives."""
        parameters = current().parameters
        self._limit = parameters.file_limit
        self._most_bytes = parameters.max_batch_mb * BYTES_PER_MB
        self._most_items = parameters.max_batch_items
        if not META.get("HTTP_TRANSFER_ENCODING") and content_length > self._most_bytes + ROOM_FOR_FIELDS:
            raise self._too_large()

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self._error = None
        if self.field_name != ITEMS:
            if len(self.parts) >= self._most_items:
                raise too_many(self._most_items)
            self._on_file()
        elif self.items is not None:
            raise InvalidInput("The list of items is given twice.", "items_given_twice")
        self._current = ReceivedFile(str(self.file_name), self.content_type, self.charset)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self._read += len(raw_data)
        if self._read > self._most_bytes:
            raise self._too_large()
        if self._current is None:
            return
        if start + len(raw_data) > self._limit:  # The others are none the worse for it.
            self.upload_interrupted()
            self._error = too_large(self._limit)
        else:
            self._current.take(raw_data)

    def file_complete(self, file_size: int) -> None:
        file, self._current = self._current, None
        if file is not None:
            file.finish(file_size)
        if self.field_name == ITEMS:
            self.items = file
            if file is None:
                raise too_large(self._limit)
            return
        self.parts.append(self._part(file))

    def upload_interrupted(self) -> None:
        if self._current is not None:
            self._current.close()
            self._current = None

    def digests(self) -> list[tuple[str, str, str]]:
        """The files as `repeats.digest` takes them, in their order."""
        found = [(f"{number:04d} {part.field}", part.name, part.sha256) for number, part in enumerate(self.parts)]
        return found if self.items is None else [*found, (ITEMS, "", self.items.sha256)]

    def finish(self) -> None:
        """Let everything go that nobody needs: documents that came with this form and became no task's."""
        self.upload_interrupted()
        if self.items is not None:
            self.items.close()
        for part in self.parts:
            if part.document is not None and part.document.is_new and part.document.pk not in self.used:
                retention.erase_if_idle(part.document.pk)

    def _part(self, file: ReceivedFile | None) -> Part:
        field, name = str(self.field_name), store.display_name(str(self.file_name or ""))
        if file is None:
            return Part(field, name, "", None, self._error)
        try:
            return Part(field, name, file.sha256, self._keep(file), None)
        except InvalidInput as error:
            return Part(field, name, file.sha256, None, error)
        finally:
            file.close()

    def _too_large(self) -> InvalidInput:
        most = self._most_bytes / BYTES_PER_MB
        return InvalidInput(f"The batch is too large. Maximum size: {most:.0f}MB", "body_too_large")


def too_many(most: int) -> InvalidInput:
    """A batch with more items than it may have."""
    return InvalidInput(f"A batch may have at most {most} items.", "too_many_items")
