"""How stored bytes go: only where no row needs them, and none can come to need them while they are deleted."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator

from processing.documents import blobs, path_lock
from processing.documents.models import StoredDocument
from processing.documents.storages.remote import StoredFile
from processing.errors import StorageUnavailable

ROOT = "documents"  # the directory of the storage that all documents lie below
logger = logging.getLogger(__name__)


def erase_unreferenced(paths: Collection[str]) -> int:
    """Delete the bytes under those of `paths` that no document lies under. Returns how many went.

    Where the storage does not answer, the rest is left to the sweep, which finds them when it does.
    """
    erased = 0
    try:
        for path in sorted(set(paths)):
            erased += _erase_unless_needed(path)
    except StorageUnavailable:
        logger.warning("document bytes are left to the sweep", extra={"count": len(paths) - erased}, exc_info=True)
    if erased:
        logger.info("document bytes erased", extra={"action": "document_erased", "count": erased})
    return erased


def gone(paths: Collection[str]) -> set[str]:
    """Those of `paths` under which nothing lies. Where no document lies at all the storage may not be mounted, and
    nothing is concluded from that: then none. Raises `StorageUnavailable`."""
    missing = {path for path in paths if not blobs.documents.exists(path)}
    return missing if missing and blobs.documents.holds_anything(ROOT) else set()


def directory_of(owner_id: int) -> str:
    """Where all that an owner has stored lies."""
    return f"{ROOT}/{owner_id}"


def stored(below: str = ROOT) -> Iterator[StoredFile]:
    """The files of stored documents, a page or a directory at a time; of one owner, `below` their directory. Raises
    `StorageUnavailable`."""
    return blobs.documents.walk(below)


def _erase_unless_needed(path: str) -> bool:
    """Nobody begins to count on the bytes meanwhile; whoever does so afterwards finds them gone and stores them anew
    (`store.keep`)."""
    with path_lock.held(path):
        if StoredDocument.objects.filter(path=path).exists():
            return False
        blobs.documents.delete(path)
    return True
