"""Whether a storage does what the service asks of it, with a file of its own that is gone afterwards."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from django.core.files.base import ContentFile

from processing.documents.blobs import Blobs
from processing.errors import ProcessingError

_DIRECTORY = "health"
_CHECKED_BYTES = 20 * 1024 * 1024  # more than one part


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was tried; `fault` says what the storage's library said of it, and is empty where it went well."""

    name: str
    fault: str = ""


def round_trip(blobs: Blobs, size: int = 32) -> None:
    """Write, read back and delete a file. Raises as `Blobs` does."""
    content = secrets.token_bytes(size)
    path = f"{_DIRECTORY}/{uuid.uuid4().hex}"
    blobs.put(path, ContentFile(content))
    try:
        with blobs.opened(path, size, hashlib.sha256(content).hexdigest()) as file:
            if file.read() != content:
                raise OSError("What was read is not what was written.")
    finally:
        blobs.delete(path)


def check(blobs: Blobs, *, links: bool) -> list[Step]:
    """Try it all, in this order, to the first fault; `links`: whether addresses for downloads are signed too."""
    steps: list[tuple[str, Callable[[], object]]] = [
        ("write, read and delete a file", lambda: round_trip(blobs)),
        ("the same with one of several parts", lambda: round_trip(blobs, _CHECKED_BYTES)),
        ("list files", lambda: blobs.holds_anything("documents")),
    ]
    if links:
        steps.append(("sign an address", lambda: blobs.link(f"{_DIRECTORY}/none", "none")))
    done: list[Step] = []
    for name, step in steps:
        try:
            step()
        except (ProcessingError, OSError) as error:
            return [*done, Step(name, told(error))]
        done.append(Step(name))
    return done


def told(error: BaseException) -> str:
    """What the operator, and nobody else, is to read: the library's own words, in one line."""
    cause = error.__cause__ or error
    return " ".join(f"{type(cause).__name__}: {cause}".split())[:500]
