"""The story of a restore: read the whole archive and believe nothing of it, prepare the new data beside the old, and
let them change places.

Documents need no such change: their places are named by owner and content, so that new ones lie beside those that are
there, and whichever database holds finds its own. Those that no row knows are swept an hour later.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import Error, connection, connections

from processing.documents import space
from processing.operations.backup import acceptance, postgresql, reading, sealing, sqlite, swap, trail
from processing.operations.backup.acceptance import Consent
from processing.operations.backup.errors import RestoreRefusedError
from processing.operations.backup.manifest import DOCUMENTS, POSTGRESQL, SECRET_KEY, SQLITE, Manifest
from processing.operations.backup.reading import Member
from processing.operations.backup.writing import Hashing
from processing.queue.models import Duty, WorkerHost
from processing.tasks.models import Task

Progress = Callable[[str], None]
_MB = 1024 * 1024
_KEY_BYTES = 10_000
_BESIDE = ("counters.sqlite3", "events.sqlite3")  # of the former tasks and callers: what is told and counted of them
_AND_LOGS = ("", "-wal", "-shm")

# Nobody works on these tasks any more. The attempt was cut short by an operator and not by the task: one more is
# allowed. The next start finds their leases run out, and the hosts' names free.
_RELEASE = [
    f"UPDATE {Task._meta.db_table} SET lease_expires_at = '1970-01-01 00:00:00', max_attempts = max_attempts + 1"  # noqa: S608
    " WHERE status = 'processing'",
    f"DELETE FROM {WorkerHost._meta.db_table}",  # noqa: S608
    f"DELETE FROM {Duty._meta.db_table}",  # noqa: S608
]


@dataclass(frozen=True, slots=True)
class Source:
    """An archive, and the file with the identity that decrypts it."""

    archive: Path
    identity: Path | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """An archive that may be restored here. `key` is the SECRET_KEY inside, `absent` counts the documents that it only
    refers to and that the storage does not have."""

    manifest: Manifest
    key: str | None
    absent: int


def check(source: Source, consent: Consent, tell: Progress) -> Checked:
    """Read all of the archive and write nothing. Raises `RestoreRefusedError`."""
    inspection = _Inspection(tell)
    with sealing.reading(source.archive, source.identity) as stream:
        manifest = reading.walk(stream, inspection.take)
    inspection.require_all(manifest)
    acceptance.require_version(manifest)
    acceptance.require_key(manifest, inspection.key, consent)
    acceptance.require_vendor(manifest)
    acceptance.require_plain_role(consent)
    absent = inspection.absent if manifest.files == "reference" else 0
    if absent and not consent.missing_files:
        raise RestoreRefusedError(
            f"The archive refers to {manifest.documents} documents, of which {absent} are not in the storage "
            "of this service. Bring them there first, or say --allow-missing-files."
        )
    return Checked(manifest, inspection.key, absent)


def restore(source: Source, checked: Checked, consent: Consent, tell: Progress) -> None:
    """Put the archive's data in the place of those that are here, and tell their audit; the caller holds the data
    directory alone (`data_directory.alone`). Raises `RestoreRefusedError`, and then the old data are in their place."""
    database = _database()
    targets = [settings.DATA_DIR / "secret_key", database or settings.DATA_DIR / "database"]
    acceptance.require_quiet()
    acceptance.require_consent(database, consent)
    if database is None and _brings_key(checked) and not postgresql.is_empty():
        # A file and a database cannot change in one moment.
        raise RestoreRefusedError("Set SECRET_KEY to the archive's own, which is its member `secret_key`.")
    acceptance.require_room(checked.manifest, targets[-1].parent)
    connections.close_all()
    swap.discard(settings.DATA_DIR, targets)
    placing = _Placing(checked, targets[-1], tell)
    try:
        with sealing.reading(source.archive, source.identity) as stream:
            if reading.walk(stream, placing.take) != checked.manifest:
                raise RestoreRefusedError("The archive was changed while it was read.")
        _put_in_place(checked, database, targets, tell)
    except BaseException as error:
        swap.discard(settings.DATA_DIR, targets)
        placing.undo()
        if isinstance(error, OSError) and space.is_full(error):
            raise RestoreRefusedError("The disk is full. The data are as they were.") from error
        if isinstance(error, (OSError, sqlite3.Error, Error)):
            raise RestoreRefusedError(f"The restore failed: {error}. The data are as they were.") from error
        raise
    trail.restored(source.archive, checked.manifest, consent)
    connections.close_all()


def _database() -> Path | None:
    """SQLite's file."""
    return None if connection.vendor == "postgresql" else Path(connection.settings_dict["NAME"]).resolve()


def _put_in_place(checked: Checked, database: Path | None, targets: list[Path], tell: Progress) -> None:
    key, prepared = targets
    removed = [settings.DATA_DIR / f"{name}{log}" for name in _BESIDE for log in _AND_LOGS]
    keys = [key] if _brings_key(checked) else []
    for each in keys:
        swap.staged(each).touch(mode=0o600)
        swap.staged(each).write_text(checked.key or "")
    tell("checking the database")
    if database is not None:
        sqlite.require_sound(swap.staged(database), checked.manifest.rows)
        sqlite.run(swap.staged(database), _RELEASE)
        removed += [database.with_name(database.name + log) for log in _AND_LOGS if log]
        swap.commit(settings.DATA_DIR, [database, *keys], removed)
    else:
        swap.commit(settings.DATA_DIR, keys, removed)  # before the database, which is empty where there are keys
        postgresql.load(swap.staged(prepared), checked.manifest.rows, _RELEASE)
        swap.staged(prepared).unlink()


def _brings_key(checked: Checked) -> bool:
    return checked.key not in (None, settings.SECRET_KEY) and not settings.ENV.secret_key


class _Inspection:
    """What of an archive is looked at before anything is written."""

    def __init__(self, tell: Progress) -> None:
        self.key: str | None = None
        self.absent = 0
        self._names: set[str] = set()
        self._documents = self._listed = 0
        self._tell = tell
        self._bytes = 0

    def take(self, member: Member) -> None:
        self._bytes += member.size
        self._tell(f"checking, {self._bytes // _MB} MB")
        if member.is_document:
            self._documents += 1
            return
        self._names.add(member.name)
        if member.name == SECRET_KEY:
            self.key = _text(member)
        elif member.name == DOCUMENTS:
            self._count(member)

    def require_all(self, manifest: Manifest) -> None:
        """Raises `RestoreRefusedError` unless the members are those that the manifest tells of."""
        expected = {"configuration.json", DOCUMENTS, SQLITE if manifest.vendor == "sqlite" else POSTGRESQL}
        expected |= {SECRET_KEY} if manifest.has_secret_key else set()
        documents = manifest.documents - manifest.missing if manifest.files == "copy" else 0
        if self._names != expected or (self._documents, self._listed) != (documents, manifest.documents):
            raise RestoreRefusedError("The archive was changed: it does not hold what its manifest says.")

    def _count(self, member: Member) -> None:
        for path, size in reading.listed(member):
            self._listed += 1
            if self._documents == 0 and _size(path) != size:  # as in an archive that only refers to them
                self.absent += 1


class _Placing:
    """Writes the members beside the present data: the database under a staged name, documents into the storage."""

    def __init__(self, checked: Checked, database: Path, tell: Progress) -> None:
        self._checked = checked
        self._database = swap.staged(database)
        self._tell = tell
        self._added: list[str] = []
        self._bytes = 0

    def take(self, member: Member) -> None:
        self._bytes += member.size
        self._tell(f"restoring, {self._bytes // _MB} MB")
        if member.name == SQLITE:
            sqlite.unpack(member.file, self._database, self._checked.manifest.database_bytes)  # type: ignore[arg-type]
        elif member.name == POSTGRESQL:
            self._write(member)
        elif member.is_document:
            self._store(member)

    def undo(self) -> None:
        """Take the documents away that this restore has added; an hour later they would be swept anyhow."""
        for path in self._added:
            default_storage.delete(path)

    def _write(self, member: Member) -> None:
        self._database.touch(mode=0o600)
        with self._database.open("r+b") as out:
            while piece := member.file.read(_MB):
                out.write(piece)

    def _store(self, member: Member) -> None:
        """What lies there whole is left alone, whatever the archive has of it; a part, or others, make way."""
        if default_storage.exists(member.path):
            if _is_whole(member.path):
                return
            default_storage.delete(member.path)
        else:
            self._added.append(member.path)
        stored = default_storage.save(member.path, _Incoming(member))
        if stored != member.path:
            default_storage.delete(stored)
            raise RestoreRefusedError(f"The storage has no place for {member.path}.")
        if default_storage.size(member.path) != member.size:
            raise RestoreRefusedError("The archive is incomplete: a document ends before its end.")


class _Incoming(File):  # type: ignore[type-arg]
    """A member as Django's storages take files, read once from the beginning to the end."""

    def __init__(self, member: Member) -> None:
        super().__init__(member.file, name=member.path)  # type: ignore[arg-type]
        self.size = member.size
        self._member = member

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        while piece := self._member.file.read(chunk_size or self.DEFAULT_CHUNK_SIZE):
            yield piece


def _size(path: str) -> int | None:
    try:
        return int(default_storage.size(path))
    except FileNotFoundError:
        return None


def _is_whole(path: str) -> bool:
    """Whether the bytes that lie there are those that the place is named by."""
    with default_storage.open(path, "rb") as file:
        hashing = Hashing(file)
        hashing.drain()
    return path.endswith(f"/{hashing.hexdigest()}")


def _text(member: Member) -> str:
    if member.size > _KEY_BYTES:
        raise RestoreRefusedError("The archive was changed: its key is too large.")
    try:
        return member.file.read().decode()
    except UnicodeDecodeError:
        raise RestoreRefusedError("The archive was changed: its key is none.") from None
