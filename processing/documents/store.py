"""Keeping documents: the bytes once for each owner in Django's storage, a row for each name that they came under."""

from __future__ import annotations

import unicodedata
import uuid
from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import BinaryIO, cast

from django.contrib.auth.models import AbstractBaseUser, User
from django.core.files import File
from django.db import transaction
from django.utils import timezone

from processing.documents import blobs, disposal, path_lock
from processing.documents.contract import Format
from processing.documents.models import StoredDocument
from processing.errors import ServiceUnavailable, StorageUnavailable

MAX_NAME = 255
MAX_EXTENSION = 16
UNNAMED = "document"
_BEING_WRITTEN = timedelta(minutes=10)  # a part that nothing was added to for so long is nobody's copy under way


def keep(  # noqa: PLR0913 - a row has so many columns
    owner: AbstractBaseUser,
    file: File[bytes],
    *,
    filename: str,
    format: Format,
    size: int,
    sha256: str,
    pages: int | None,
    keep_for: timedelta | None = None,
) -> StoredDocument:
    """Store a file of `size` bytes and return its row, or the row that is there already; `is_new` says which. It is
    kept for `keep_for` from now on, or longer; None is for ever.

    Outside of a transaction: whoever deletes bytes looks for the rows that need them. Raises `ServiceUnavailable`
    (`disk_full`, `storage_unavailable`), and then nothing is kept.

    A `file` with a `temporary_file_path` is moved rather than copied where the storage is local. Two that keep the same
    bytes at once end with one blob and one row.
    """
    path = _path(owner, sha256)
    if not _stored(path, size):
        _save(path, file)
    row = {"format": format.name, "media_type": format.media_type, "size": size, "path": path, "pages": pages}
    row["created_at"] = timezone.now()  # Finer than the database's own in SQLite, whose lists of files page by it.
    document, is_new = StoredDocument.objects.get_or_create(
        owner=cast(User, owner),
        sha256=sha256,
        filename=display_name(filename),
        defaults={**row, "expires_at": _until(keep_for)},
    )
    document.is_new = is_new
    if not is_new:
        use(document, keep_for)
    with path_lock.held(path):
        if not blobs.documents.exists(path):  # The last row that shared the bytes was erased meanwhile.
            blobs.documents.put(path, File(file.file))  # Not the temporary file's path, from which it was moved.
    return document


def use(document: StoredDocument, keep_for: timedelta | None) -> bool:
    """Keep the document for `keep_for` from now on, unless it is to be kept longer; False where it has been erased."""
    until = _until(keep_for)
    if document.expires_at is None or until is None or document.expires_at < until:
        document.expires_at = until
    return bool(StoredDocument.objects.filter(pk=document.pk).update(expires_at=document.expires_at))


def use_all(documents: Collection[uuid.UUID], keep_for: timedelta | None) -> set[uuid.UUID]:
    """The same for many, only inside a transaction, which keeps them. Returns those that have not been erased."""
    rows = StoredDocument.objects.filter(pk__in=documents)
    there = set(rows.select_for_update().order_by("pk").values_list("pk", flat=True))
    until = _until(keep_for)
    bounded = rows.filter(expires_at__isnull=False)
    (bounded if until is None else bounded.filter(expires_at__lt=until)).update(expires_at=until)
    return there


def _until(keep_for: timedelta | None) -> datetime | None:
    return None if keep_for is None else timezone.now() + keep_for


def opened(document: StoredDocument) -> BinaryIO:
    """The document's bytes in a file with a descriptor, to be closed by the caller.

    Raises `FileNotFoundError` where they are gone, `DocumentFailed` (`document_damaged`) and `StorageUnavailable`, also
    where no document lies at all.
    """
    try:
        return blobs.documents.opened(document.path, document.size, document.sha256)
    except FileNotFoundError:
        if not disposal.gone({document.path}):
            raise StorageUnavailable from None
        raise


def link(document: StoredDocument) -> str | None:
    """An address at the storage by which anybody gets the document for a minute; None where it has no such thing.

    Raises `StorageUnavailable`.
    """
    return blobs.documents.link(document.path, document.filename)


def is_whole(document: StoredDocument) -> bool:
    """Whether its bytes are there; one whose bytes are gone is made whole by keeping the same bytes again."""
    return not disposal.gone({document.path})


def erase(document: StoredDocument) -> None:
    """Delete the row, and the bytes once no other row of the owner needs them."""
    path = document.path
    with transaction.atomic():
        document.delete()
        transaction.on_commit(lambda: disposal.erase_unreferenced([path]))


def _path(owner: AbstractBaseUser, sha256: str) -> str:
    """Where the bytes lie; nothing that a client chose is part of it."""
    return f"{disposal.directory_of(owner.pk)}/{sha256[:2]}/{sha256}"


def _stored(path: str, size: int) -> bool:
    """Whether the blob is there and whole: a machine that stopped while it was copied may have left a part.

    A part that is young is another's copy under way.
    """
    try:
        if blobs.documents.size(path) == size:
            return True
        if timezone.now() - blobs.documents.modified(path) > _BEING_WRITTEN:
            blobs.documents.delete(path)
    except FileNotFoundError:
        return False
    return False


def _save(path: str, file: File[bytes]) -> None:
    """Save under exactly this path."""
    try:
        blobs.documents.put(path, file)
    except ServiceUnavailable:
        if blobs.documents.is_local:
            disposal.erase_unreferenced([path])  # A part may have been written.
        raise


def display_name(name: str) -> str:
    """A client's file name, fit to be shown: no directories, no control or direction characters, 255 at most.

    A name that is too long keeps its extension; a name of which nothing is left becomes `document`.
    """
    base = unicodedata.normalize("NFC", name.replace("\\", "/")).rsplit("/", 1)[-1]
    kept = "".join(" " if unicodedata.category(each) in ("Zl", "Zp") else each for each in base if _visible(each))
    kept = " ".join(kept.split())
    if not kept.strip(". "):
        return UNNAMED
    if len(kept) <= MAX_NAME:
        return kept
    suffix = PurePosixPath(kept).suffix
    extension = suffix if len(suffix) <= MAX_EXTENSION else ""
    return kept[: MAX_NAME - len(extension)].rstrip() + extension


def _visible(character: str) -> bool:
    """Cc: control, NUL among them; Cf: direction overrides, zero-width marks; Cs, Co, Cn: no characters at all."""
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn")
