"""Backups and restores in the audit trail.

Both are done when they are told of, and neither is undone where the database takes no entry: a full disk beside a good
archive, or a restored database of an earlier version whose migrations are still to be run. The log says so then.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

from django.db import Error, transaction

from processing.access import audit
from processing.access.audit import Target
from processing.operations.backup.acceptance import Consent
from processing.operations.backup.manifest import Manifest

logger = logging.getLogger(__name__)


def made(archive: Path, manifest: Manifest, deleted: Iterable[Path]) -> None:
    """That there is an archive with all that the service keeps, where it lies, and which ones went for it."""
    kept = {
        "directory": str(archive.parent),
        "bytes": archive.stat().st_size,
        "deleted": [each.name for each in deleted],
    }
    _record("made", archive, {**kept, **_held(manifest), "has_secret_key": manifest.has_secret_key})


def restored(archive: Path, manifest: Manifest, consent: Consent) -> None:
    """In the database that was restored: from which archive, and what the operator had said yes to."""
    accepted = [field.name for field in fields(consent) if getattr(consent, field.name)]
    origin = {"made_at": manifest.made_at, "by_version": manifest.service_version, "accepted": accepted}
    _record("restored", archive, {**origin, **_held(manifest)})


def _held(manifest: Manifest) -> dict[str, Any]:
    """`checksums` is the same in the entries of a backup and of a restore from it, whatever the file is called."""
    return {
        "documents": manifest.documents,
        "files": manifest.files,
        "rows": sum(manifest.rows.values()),
        "checksums": manifest.checksums,
    }


def _record(action: str, archive: Path, changes: dict[str, Any]) -> None:
    try:
        with transaction.atomic():
            audit.record(audit.by_command(), action, Target("backup", archive.name, archive.name), changes)
    except Error:
        logger.warning("a backup could not be recorded in the audit", extra={"action": action}, exc_info=True)
