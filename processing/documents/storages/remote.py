"""What the service needs of a storage elsewhere beyond Django's interface, the same for all of them."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from django.core.files import File
from django.core.files.storage import Storage

MIB = 1024 * 1024
CONNECT_SECONDS = 3.0
READ_SECONDS = 20.0  # without a byte
TRIES = 2  # of one request, the first included
PART_BYTES = 8 * MIB  # what is held in memory of a file on its way; S3 takes 10,000 parts of it

Client = TypeVar("Client")


class Sink(Protocol):
    """What bytes are poured into, in their order."""

    def write(self, data: bytes, /) -> int: ...


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as a listing shows it. What is None has to be asked for."""

    path: str
    size: int | None = None
    modified: datetime | None = None


class RemoteStorage(Storage):
    """Names are overwritten, objects appear whole or not at all. Errors are those of `library_errors`, or `OSError`s;
    of what is not there `is_missing` is true."""

    library_errors: ClassVar[tuple[type[Exception], ...]] = ()

    def is_missing(self, error: Exception) -> bool:
        """Whether an error says that there is no such object; one that says so of the bucket is another matter."""
        raise NotImplementedError

    def put(self, name: str, file: File[bytes]) -> None:
        """Store the file from its beginning under exactly this name, in parts of bounded size."""
        raise NotImplementedError

    def pour(self, name: str, sink: Sink) -> None:
        """Write the object's bytes, as they arrive."""
        raise NotImplementedError

    def walk(self, below: str) -> Iterator[StoredFile]:
        """All objects below a directory, a page of the listing at a time."""
        raise NotImplementedError

    def download_url(self, name: str, disposition: str, seconds: int) -> str:
        """A signed address by which anybody gets the object, as an attachment, for so long."""
        raise NotImplementedError


class PerProcess(Generic[Client]):
    """One client for all threads of a process, made when it is first needed; a forked child makes its own, because two
    processes may not share connections."""

    def __init__(self, make: Callable[[], Client]) -> None:
        self._make = make
        self._forget()
        _clients.add(self)

    def _forget(self) -> None:
        self._making = threading.Lock()
        self._client: Client | None = None

    def get(self) -> Client:
        """The client. Raises what making it raises."""
        with self._making:
            if self._client is None:
                self._client = self._make()
            return self._client


_clients: weakref.WeakSet[PerProcess[Any]] = weakref.WeakSet()


def _after_fork() -> None:
    for each in list(_clients):
        each._forget()


os.register_at_fork(after_in_child=_after_fork)
