"""Finds files that no row knows, walking the storage a bounded number of steps at a time, and deletes them."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import islice
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from processing.documents import blobs, disposal
from processing.documents.models import StoredDocument
from processing.documents.storages.remote import StoredFile
from processing.errors import StorageUnavailable

logger = logging.getLogger(__name__)

GRACE = timedelta(hours=1)  # a file is stored before its row is written, and an upload may take many minutes
_BATCH = 200  # files whose rows are asked for at once


class Sweep:
    """One walk after another, with an hour between them; where it stands is kept in memory alone."""

    def __init__(self) -> None:
        self._walk: Iterator[StoredFile] | None = None
        self._rest_until = 0.0

    def go_on(self, files: int) -> int:
        """Look at the next `files` stored files, or at those that are left, and return how many were deleted.

        Only files older than `GRACE` go, of stored documents and of uploads in arrival; and no document at all while
        there are no rows: then it is rather the database that is not the right one. Raises `StorageUnavailable`, and
        then begins anew the next time.
        """
        if self._walk is None:
            if time.monotonic() < self._rest_until:
                return 0
            self._walk = disposal.stored() if StoredDocument.objects.exists() else iter(())
        deleted = 0
        for _ in range(0, files, _BATCH):
            try:
                batch = list(islice(self._walk, _BATCH))
            except StorageUnavailable:
                self._walk = None
                raise
            deleted += _delete_orphans(batch)
            if len(batch) < _BATCH:
                self._walk = None
                self._rest_until = time.monotonic() + GRACE.total_seconds()
                return deleted + _delete_forgotten_uploads()
        return deleted


def _delete_orphans(files: Sequence[StoredFile]) -> int:
    paths = [file.path for file in files]
    known = set(StoredDocument.objects.filter(path__in=paths).values_list("path", flat=True))
    orphans = [file.path for file in files if file.path not in known and _is_old(file)]
    deleted = disposal.erase_unreferenced(orphans) if orphans else 0
    if deleted:
        logger.warning("files without a row deleted", extra={"count": deleted})
    return deleted


def _is_old(file: StoredFile) -> bool:
    try:
        return (file.modified or blobs.documents.modified(file.path)) < timezone.now() - GRACE
    except FileNotFoundError:
        return False


def _delete_forgotten_uploads() -> int:
    """What a web process that was killed left of uploads. A file that is written to is young."""
    deleted = 0
    for path in Path(settings.FILE_UPLOAD_TEMP_DIR).iterdir():
        with contextlib.suppress(FileNotFoundError):
            if path.is_file() and path.stat().st_mtime < time.time() - GRACE.total_seconds():
                path.unlink()
                deleted += 1
    if deleted:
        logger.warning("forgotten uploads deleted", extra={"count": deleted})
    return deleted
