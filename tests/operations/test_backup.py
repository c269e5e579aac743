"""A backup is whole and private or it is not there, whatever happens while it is made."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import resource
import sqlite3
import tarfile
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection, connections

from processing.documents import registry, store
from processing.documents.models import StoredDocument
from processing.operations.backup import making, sealing, shelf, sqlite
from processing.operations.backup.errors import BackupFailedError
from processing.operations.backup.making import Terms
from tests.conftest import Tenant, untold_key

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("postgres" in os.environ.get("TEST_DATABASE_URL", ""), reason="of SQLite's file"),
]


def kept(tenant: Tenant, data: bytes, name: str = "note.txt") -> StoredDocument:
    sha256 = hashlib.sha256(data).hexdigest()
    form = registry.named("txt")
    return store.keep(
        tenant.user, ContentFile(data), filename=name, format=form, size=len(data), sha256=sha256, pages=None
    )


def silent(_text: str) -> None:
    """Progress that nobody follows."""


def names(archive: Path) -> list[str]:
    with tarfile.open(archive) as tar:
        return tar.getnames()


def test_it_works(alice: Tenant, tmp_path: Path) -> None:
    document = kept(alice, b"a note")
    made = making.make(tmp_path / "shelf", Terms(), silent)
    assert made.archive.stat().st_mode & 0o777 == 0o600
    assert f"files/{document.path}" in names(made.archive)
    assert (made.manifest.documents, made.manifest.missing, made.manifest.damaged) == (1, 0, 0)
    assert made.manifest.rows["processing_apikey"] == 1
    assert made.manifest.rows["django_migrations"] == len(made.manifest.migrations) > 10
    assert [path.name for path in (tmp_path / "shelf").iterdir() if not path.name.endswith(".lock")] == [
        made.archive.name
    ]


def test_the_secret_key_is_in_it_only_where_it_is_asked_for_or_encrypted(alice: Tenant, tmp_path: Path) -> None:
    recipient = sealing.make_identity(tmp_path / "identity")
    shelf_of = iter(range(10))

    def made(terms: Terms) -> making.Made:
        return making.make(tmp_path / str(next(shelf_of)), terms, silent)

    plain, included, sealed = made(Terms()), made(Terms(with_secret_key=True)), made(Terms(recipients=[recipient]))
    assert "secret_key" not in names(plain.archive)
    assert "secret_key" in names(included.archive)
    assert [each.manifest.has_secret_key for each in (plain, included, sealed)] == [False, True, True]
    with (
        sealing.reading(sealed.archive, tmp_path / "identity") as stream,
        tarfile.open(fileobj=stream, mode="r|") as tar,
    ):
        assert "secret_key" in tar.getnames()


def test_files_by_reference(alice: Tenant, tmp_path: Path) -> None:
    document = kept(alice, b"a note")
    made = making.make(tmp_path, Terms(files="reference"), silent)
    assert not [name for name in names(made.archive) if name.startswith("files/")]
    with tarfile.open(made.archive) as tar:
        listed = json.loads(tar.extractfile("documents.jsonl").read())  # type: ignore[union-attr]
    assert (listed["path"], listed["sha256"], listed["bytes"]) == (document.path, document.sha256, 6)


def test_one_that_is_gone_or_rotten_keeps_no_other_from_being_saved(alice: Tenant, tmp_path: Path) -> None:
    gone, rotten, _ = kept(alice, b"one"), kept(alice, b"two"), kept(alice, b"three")
    default_storage.delete(gone.path)
    Path(default_storage.path(rotten.path)).write_bytes(b"tw")
    manifest = making.make(tmp_path, Terms(), silent).manifest
    assert (manifest.documents, manifest.missing, manifest.damaged) == (3, 1, 1)


def test_it_holds_one_moment_while_others_write(alice: Tenant, tmp_path: Path) -> None:
    """A writer commits between any two steps of the copy, which neither begins anew nor sees it."""
    with mock.patch.object(sqlite, "_PAGES", 5):
        written = 0

        def write(_text: str) -> None:
            nonlocal written
            thread = threading.Thread(target=_write_key, args=(alice,))
            thread.start()
            thread.join()
            written += 1

        snapshot = sqlite.copy(Path(connection.settings_dict["NAME"]), tmp_path, write)
    assert written > 5
    assert snapshot.rows["processing_apikey"] == 1


def _write_key(tenant: Tenant) -> None:
    try:
        untold_key(tenant.user, "meanwhile")
    finally:
        connections.close_all()


def test_the_newest_are_kept(tmp_path: Path) -> None:
    for day in range(1, 6):
        with shelf.drafting(tmp_path) as draft:
            draft.archive.write_bytes(b"x")
            shelf.publish(draft, tmp_path, datetime(2026, 1, day, tzinfo=UTC), is_sealed=day == 3)
    (tmp_path / "api-v2-notes.tar").write_text("not one of ours")
    gone = shelf.prune(tmp_path, 2)
    assert [path.name for path in gone] == [
        "api-v2-20260101T000000Z.tar",
        "api-v2-20260102T000000Z.tar",
        "api-v2-20260103T000000Z.tar.age",
    ]
    assert (tmp_path / "api-v2-notes.tar").exists()


def test_no_two_at_once_and_what_a_killed_one_left_goes(tmp_path: Path) -> None:
    (tmp_path / ".api-v2-draft-killed").mkdir()
    (tmp_path / ".api-v2-draft-killed" / "archive").write_bytes(b"half")
    with shelf.drafting(tmp_path) as draft:
        assert list(tmp_path.glob(".api-v2-draft-*")) == [draft.directory]
        with pytest.raises(BackupFailedError, match="Another backup"), shelf.drafting(tmp_path):
            pass
    assert not list(tmp_path.glob(".api-v2-draft-*"))


@pytest.mark.parametrize("is_sealed", [False, True])
@pytest.mark.parametrize("room", [30_000, 500_000, 1_000_000, 3_000_000])
def test_a_full_disk_leaves_the_older_archives_and_nothing_else(
    alice: Tenant, tmp_path: Path, room: int, is_sealed: bool
) -> None:
    """As far as a file may grow: in the database's copy, in its compression, in the archive."""
    kept(alice, os.urandom(4_000_000))
    recipients = [sealing.make_identity(tmp_path / "identity")] if is_sealed else []
    older = tmp_path / "shelf" / "api-v2-20200101T000000Z.tar"
    older.parent.mkdir()
    older.write_bytes(b"an older archive")

    def fill() -> str:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
        try:
            making.make(older.parent, Terms(recipients=recipients, keep=1), silent)
        except BackupFailedError as error:
            return str(error)
        return "made"

    told = in_a_child(fill)
    assert told.startswith(f"The disk of {older.parent} is full")
    assert told.endswith("Nothing was written, and the older archives are as they were.")
    assert sorted(path.name for path in older.parent.iterdir()) == [".api-v2-backup.lock", older.name]
    assert older.read_bytes() == b"an older archive"


def in_a_child(work: Callable[[], str]) -> str:
    """What it returns in a process of its own."""
    connections.close_all()
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            os.write(into, work().encode())
        os._exit(0)
    os.close(into)
    with os.fdopen(out, "rb") as told:
        answer = told.read().decode()
    os.waitpid(child, 0)
    return answer


def test_a_copy_is_sound(alice: Tenant, tmp_path: Path) -> None:
    snapshot = sqlite.copy(Path(connection.settings_dict["NAME"]), tmp_path, silent)
    with snapshot.database.open("rb") as file:
        sqlite.unpack(file, tmp_path / "copy", snapshot.unpacked)
    sqlite.require_sound(tmp_path / "copy", snapshot.rows)
    with contextlib.closing(sqlite3.connect(tmp_path / "copy")) as copy:
        digest = copy.execute("SELECT digest FROM processing_apikey").fetchone()[0]
    assert digest == alice.key.digest
