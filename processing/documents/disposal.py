"""How stored bytes go: only where no row needs them, and none can come to need them while they are deleted."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from django.core.files.storage import default_storage
from django.db import connection, transaction

from processing.documents.models import StoredDocument

ROOT = "documents"  # the directory of the storage that all documents lie below
logger = logging.getLogger(__name__)


def erase_unreferenced(paths: Collection[str]) -> int:
    """Delete the bytes under those of `paths` that no document lies under. Returns how many went."""
    with _no_new_documents():
        needed = set(StoredDocument.objects.filter(path__in=paths).values_list("path", flat=True))
        unneeded = sorted(set(paths) - needed)
        for path in unneeded:
            default_storage.delete(path)
    if unneeded:
        logger.info("document bytes erased", extra={"action": "document_erased", "count": len(unneeded)})
    return len(unneeded)


def gone(paths: Collection[str]) -> set[str]:
    """Those of `paths` under which nothing lies. Where no document lies at all the storage may not be mounted, and
    nothing is concluded from that: then none."""
    missing = {path for path in paths if not default_storage.exists(path)}
    return missing if missing and _holds_anything() else set()


def directory_of(owner_id: int) -> str:
    """Where all that an owner has stored lies."""
    return f"{ROOT}/{owner_id}"


def stored(below: str = ROOT) -> Iterator[str]:
    """The files of stored documents, one directory at a time; of one owner, `below` their directory."""
    try:
        directories, files = default_storage.listdir(below)
    except FileNotFoundError:
        return
    for name in files:
        yield f"{below}/{name}"
    for name in directories:
        yield from stored(f"{below}/{name}")


def _holds_anything() -> bool:
    try:
        return any(default_storage.listdir(ROOT))
    except FileNotFoundError:
        return False


@contextmanager
def _no_new_documents() -> Iterator[None]:
    """Nobody adds a document meanwhile; whoever does so afterwards finds the bytes gone and stores them anew.

    In SQLite the transaction itself is the lock.
    """
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(f"LOCK TABLE {StoredDocument._meta.db_table} IN SHARE MODE")
        yield
