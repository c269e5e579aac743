"""The story of a backup: take the database as it is at one moment, add the documents that it knows, seal, and publish.

A document that is erased while the backup runs is missing from it, as it should be; one that arrives belongs to the
next.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import Error, connection

from processing.documents import space
from processing.operations import configuration
from processing.operations.backup import manifest as manifests
from processing.operations.backup import postgresql, sealing, shelf, sqlite, trail
from processing.operations.backup.errors import BackupFailedError
from processing.operations.backup.manifest import CONFIGURATION, DOCUMENTS, FILES, FORMAT, SECRET_KEY, Files, Manifest
from processing.operations.backup.snapshot import Snapshot
from processing.operations.backup.writing import Writer

Progress = Callable[[str], None]
_MB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Terms:
    """`recipients` are age's public keys, for which the archive is encrypted. `with_secret_key`: whether it holds what
    decrypts the providers' credentials; one that is encrypted always does. `keep`: how many archives stay, 0 is all."""

    files: Files = "copy"
    recipients: Sequence[str] = ()
    with_secret_key: bool = False
    keep: int = 0

    @property
    def has_secret_key(self) -> bool:
        return self.with_secret_key or bool(self.recipients)


@dataclass(frozen=True, slots=True)
class Made:
    """A finished archive, the older ones that were deleted for it, and what it says of itself."""

    archive: Path
    deleted: Sequence[Path]
    manifest: Manifest


@dataclass(slots=True)
class _Documents:
    count: int = 0
    bytes: int = 0
    missing: int = 0
    damaged: int = 0


def make(directory: Path, terms: Terms, tell: Progress) -> Made:
    """Make an archive in `directory`; the audit is told. Raises `BackupFailedError`, with nothing left of it."""
    made_at = datetime.now(UTC)
    try:
        with shelf.drafting(directory) as draft:
            snapshot = _snapshot(draft.directory, tell)
            draft.archive.touch(mode=0o600)
            with draft.archive.open("r+b") as out, sealing.writing(out, terms.recipients) as stream:
                manifest = _write(Writer(stream, draft.directory / "checksums"), snapshot, terms, made_at, tell)
            archive = shelf.publish(draft, directory, made_at, is_sealed=bool(terms.recipients))
        deleted = shelf.prune(directory, terms.keep) if terms.keep else []
    except (OSError, Error, sqlite3.Error) as error:
        raise BackupFailedError(_why(error, directory)) from error
    trail.made(archive, manifest, deleted)
    return Made(archive, deleted, manifest)


def _snapshot(directory: Path, tell: Progress) -> Snapshot:
    if connection.vendor == "postgresql":
        return postgresql.dump(directory, tell)
    return sqlite.copy(Path(connection.settings_dict["NAME"]), directory, tell)


def _write(writer: Writer, snapshot: Snapshot, terms: Terms, made_at: datetime, tell: Progress) -> Manifest:
    writer.add_bytes(CONFIGURATION, json.dumps(configuration.export(), indent=1, ensure_ascii=False).encode())
    writer.add_file(snapshot.member, snapshot.database)
    if terms.has_secret_key:
        writer.add_bytes(SECRET_KEY, settings.SECRET_KEY.encode())
    documents = _add_documents(writer, snapshot, terms.files, tell)
    made: list[Manifest] = []

    def manifest(checksums: str) -> Manifest:
        unsigned = Manifest(
            format=FORMAT,
            service_version=settings.API_V2_VERSION,
            made_at=made_at.isoformat(timespec="seconds"),
            vendor="sqlite" if snapshot.member == manifests.SQLITE else "postgresql",
            database_bytes=snapshot.unpacked,
            rows=snapshot.rows,
            migrations=snapshot.migrations,
            files=terms.files,
            documents=documents.count,
            document_bytes=documents.bytes,
            missing=documents.missing,
            damaged=documents.damaged,
            has_secret_key=terms.has_secret_key,
            former_keys=len(settings.SECRET_KEY_FALLBACKS),
            checksums=checksums,
        )
        made.append(unsigned.signed(settings.SECRET_KEY))
        return made[0]

    writer.finish(manifest)
    return made[0]


def _add_documents(writer: Writer, snapshot: Snapshot, files: Files, tell: Progress) -> _Documents:
    """The bytes of each document, where they are wanted, and the list of all."""
    found = _Documents()
    told = snapshot.documents.with_name("documents")
    with snapshot.documents.open() as listing, told.open("w") as out:
        for line in listing:
            path, size, sha256 = json.loads(line)
            found.count += 1
            state = "whole"
            if files == "copy":
                state = _add_document(writer, path, size, sha256)
                tell(f"documents {found.count}, {found.bytes // _MB} MB")
            found.bytes += size if state != "missing" else 0
            found.missing += state == "missing"
            found.damaged += state == "damaged"
            out.write(json.dumps({"path": path, "bytes": size, "sha256": sha256, "state": state}) + "\n")
    writer.add_file(DOCUMENTS, told)
    return found


def _add_document(writer: Writer, path: str, size: int, sha256: str) -> str:
    """`whole`, `missing`, or `damaged`: one that has other bytes than it came with is kept as it is."""
    try:
        actual = default_storage.size(path)
        file = default_storage.open(path, "rb")
    except FileNotFoundError:
        return "missing"
    with file:
        return "whole" if writer.add(FILES + path, actual, file) == sha256 and actual == size else "damaged"


def _why(error: Exception, directory: Path) -> str:
    unchanged = "Nothing was written, and the older archives are as they were."
    name = error.sqlite_errorname if isinstance(error, sqlite3.Error) else ""
    if name == "SQLITE_FULL" or space.is_full(error):
        return f"The disk of {directory} is full. {unchanged}"
    if name.startswith("SQLITE_IOERR"):
        return f"The disk of {directory} is full or fails. {unchanged}"
    return f"The backup failed: {error}"


class Seldom:
    """Progress that is told once a second at most."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._told = time.monotonic()

    def __call__(self, text: str) -> None:
        if time.monotonic() - self._told >= 1.0:
            self._told = time.monotonic()
            with contextlib.suppress(OSError):
                self._say(text)
