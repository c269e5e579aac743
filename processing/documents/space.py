"""Room on the disks that documents arrive on and are kept on, and what to say when there is none."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import OperationalError

from processing.errors import ServiceUnavailable

_CODE = "disk_full"
_WAIT = 60  # seconds that a caller is told to wait: somebody has to make room
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # EFBIG: beyond what the file system or RLIMIT_FSIZE lets a file be
_SQLITE_FULL = 13  # https://www.sqlite.org/rescode.html#full
_POSTGRES_FULL = "53100"  # disk_full in https://www.postgresql.org/docs/current/errcodes-appendix.html


def is_short(watermark: int, incoming: int = 0) -> bool:
    """Whether fewer than `watermark` bytes are free, or would be with `incoming` more. 0 is no bound."""
    return watermark > 0 and free() - incoming < watermark


def free() -> int:
    """Free bytes of the fullest disk among those of the uploads, the stored documents and the database file."""
    return min(shutil.disk_usage(place).free for place in _places())


def refusal() -> ServiceUnavailable:
    """What a caller is told."""
    return ServiceUnavailable("The service has no disk space left for documents.", _CODE, retry_after=_WAIT)


@contextlib.contextmanager
def refusing_when_full() -> Iterator[None]:
    """Turn an error that says the disk is full into `ServiceUnavailable` (`disk_full`)."""
    try:
        yield
    except (OSError, OperationalError) as error:
        if not is_full(error):
            raise
        raise refusal() from error


def is_full(error: BaseException) -> bool:
    """Whether this error, of a file or of the database, says that the disk is full."""
    if isinstance(error, OSError):
        return error.errno in _FULL
    cause = error.__cause__
    return getattr(cause, "sqlite_errorcode", None) == _SQLITE_FULL or (
        getattr(cause, "sqlstate", None) == _POSTGRES_FULL
    )


def _places() -> list[Path]:
    """Directories that exist. A storage elsewhere has no disk of this host."""
    wanted = [Path(settings.FILE_UPLOAD_TEMP_DIR), Path(settings.DATA_DIR)]
    if isinstance(default_storage, FileSystemStorage) and os.path.isdir(default_storage.location):  # noqa: PTH112
        wanted.append(Path(default_storage.location))
    return wanted
