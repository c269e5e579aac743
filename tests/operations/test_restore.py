"""A restore puts all of the new data in the place of the old, or none, wherever it is cut off."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.core.files.storage import default_storage
from django.db import connections
from django.utils import timezone
from pytest_django import Settings

from modelsregistry import secrets
from processing.documents.models import StoredDocument
from processing.operations import data_directory
from processing.operations.backup import making, restoring, sealing, swap
from processing.operations.backup.acceptance import Consent
from processing.operations.backup.errors import RestoreRefusedError
from processing.operations.backup.making import Terms
from processing.operations.backup.reading import Member
from processing.operations.backup.restoring import Source
from processing.operations.backup.writing import Hashing
from processing.queue.models import WorkerHost
from processing.tasks.models import Task
from tests.conftest import Tenant
from tests.operations.test_backup import kept, silent

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("postgres" in os.environ.get("TEST_DATABASE_URL", ""), reason="of SQLite's file"),
]

NEW_KEY = "the-key-of-the-service-that-was-saved-0123456789"
OLD_KEY = "the-key-of-the-service-that-is-here-0123456789ab"


@dataclass
class Place:
    """A data directory with a database of one table, which is still in its log, and an archive to be restored there."""

    directory: Path
    archive: Path
    identity: Path

    @property
    def database(self) -> Path:
        return self.directory / "apiv2.sqlite3"

    def restore(self, **consent: bool) -> None:
        source, given = Source(self.archive, self.identity), Consent(**{"replace": True, "other_key": True, **consent})
        with data_directory.alone(self.directory):
            restoring.restore(source, restoring.check(source, given, silent), given, silent)

    def holds(self) -> str:
        """`old` or `new`, and both parts agree."""
        with contextlib.closing(sqlite3.connect(self.database)) as database:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            old = "old" in tables and database.execute("SELECT COUNT(*) FROM old").fetchone() == (1,)
            new = "processing_task" in tables
        assert old != new
        assert (self.directory / "secret_key").read_text() == (OLD_KEY if old else NEW_KEY)
        return "old" if old else "new"


@pytest.fixture
def place(alice: Tenant, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    kept(alice, b"a note")
    settings.SECRET_KEY = NEW_KEY
    recipient = sealing.make_identity(tmp_path / "identity")
    Task.objects.create(
        owner=alice.user, prompt="?", model="local", filename="a.txt", file_size=1, file_type="text/plain",
        status="processing", attempts=3, host="elsewhere", worker_pid=1, lease_token=1,
        lease_expires_at=timezone.now() + timezone.timedelta(days=1),
    )  # fmt: skip
    made = making.make(tmp_path / "shelf", Terms(recipients=[recipient]), silent)
    settings.SECRET_KEY = OLD_KEY
    settings.DATA_DIR = tmp_path / "data"
    found = Place(settings.DATA_DIR, made.archive, tmp_path / "identity")
    lay_out(found)
    monkeypatch.setattr(restoring, "_database", lambda: found.database)
    yield found


def lay_out(place: Place) -> None:
    """The old data, whose last row is nowhere but in the log."""
    place.directory.mkdir(exist_ok=True)
    for left in place.directory.iterdir():
        left.unlink()
    (place.directory / "secret_key").write_text(OLD_KEY)
    (place.directory / "events.sqlite3").write_text("events of the old tasks")
    with contextlib.closing(sqlite3.connect(place.directory / "draft")) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE old (id INTEGER)")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.execute("INSERT INTO old VALUES (1)")
        database.commit()
        for log in ("", "-wal"):
            content = (place.directory / f"draft{log}").read_bytes()
            place.database.with_name(place.database.name + log).write_bytes(content)
    for left in place.directory.glob("draft*"):
        left.unlink()


def test_it_works(place: Place) -> None:
    assert place.holds() == "old"
    lay_out(place)
    place.restore()
    assert place.holds() == "new"
    assert place.database.stat().st_mode & 0o777 == 0o600
    assert (place.directory / "secret_key").stat().st_mode & 0o777 == 0o600
    assert not (place.directory / "events.sqlite3").exists()
    assert not list(place.directory.glob("*.restoring"))


def test_what_ran_runs_again(place: Place) -> None:
    """Its lease has run out, and the attempt that nobody will end is not counted against it."""
    place.restore()
    with contextlib.closing(sqlite3.connect(place.database)) as database:
        [row] = database.execute(
            "SELECT status, lease_expires_at < datetime('now'), attempts < max_attempts FROM processing_task"
        )
    assert row == ("processing", 1, 1)


def test_documents_that_are_gone_or_rotten_come_back(place: Place) -> None:
    path = StoredDocument.objects.get().path
    for damage in (
        lambda: default_storage.delete(path),
        lambda: Path(default_storage.path(path)).write_bytes(b"A NOTE"),
    ):
        damage()
        place.restore()
        with default_storage.open(path) as file:
            assert file.read() == b"a note"


def test_a_document_that_is_whole_does_not_make_way_for_a_cut_one(place: Place) -> None:
    """Nor does it go where the restore is broken off."""
    path = StoredDocument.objects.get().path
    checked = restoring.check(Source(place.archive, place.identity), Consent(other_key=True), silent)
    placing = restoring._Placing(checked, place.database, silent)
    placing._store(Member(path, 2, Hashing(io.BytesIO(b"a "))))
    placing.undo()
    with default_storage.open(path) as file:
        assert file.read() == b"a note"


def test_a_dry_run_changes_nothing(place: Place) -> None:
    before = {path: path.read_bytes() for path in place.directory.iterdir()}
    checked = restoring.check(Source(place.archive, place.identity), Consent(other_key=True), silent)
    assert checked.manifest.documents == 1
    assert {path: path.read_bytes() for path in place.directory.iterdir()} == before
    with pytest.raises(RestoreRefusedError, match="--accept-other-key"):  # before anything was stopped for it
        restoring.check(Source(place.archive, place.identity), Consent(), silent)


class _Killed:
    """Kills its own process where it touches a file of the directory for the n-th time."""

    def __init__(self, directory: Path, after: int) -> None:
        self._directory = str(directory)
        self._left = after

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("open", "os.rename", "os.remove", "os.mkdir", "sqlite3.connect") and str(arguments[0]).startswith(
            self._directory
        ):
            self._left -= 1
            if self._left < 0:
                os.kill(os.getpid(), signal.SIGKILL)


def _restored_until(place: Place, after: int) -> bool:
    """Restore in a process that is killed before its n-th step; whether it came to its end."""
    connections.close_all()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            sys.addaudithook(_Killed(place.directory, after))
            place.restore()
            os._exit(0)
        os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return not os.WIFSIGNALED(status)


def test_kill_9_at_any_moment_leaves_the_old_data_or_the_new(place: Place) -> None:
    """What the next start of anything does, before it reads, is `swap.finish`, as settings do."""
    after, seen = 0, []
    while True:
        lay_out(place)
        is_done = _restored_until(place, after)
        swap.finish(place.directory)
        seen.append(place.holds())
        if is_done:
            break
        after += 1
    assert after > 15
    assert seen[-1] == "new"
    assert "old" in seen
    assert seen == sorted(seen, reverse=True)  # old until some step, new from then on


def test_a_finish_that_is_killed_is_finished_by_the_next(place: Place) -> None:
    """The plan is there and no move was made; whoever makes them is killed after each of its steps."""
    with mock.patch.object(swap, "finish"):
        place.restore()
    assert (place.directory / "restore.plan").exists()
    for after in range(50):
        connections.close_all()
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                sys.addaudithook(_Killed(place.directory, after))
                swap.finish(place.directory)
            os._exit(0)
        if os.waitpid(child, 0)[1] == 0:
            break
    assert not (place.directory / "restore.plan").exists()
    assert place.holds() == "new"


def test_it_is_refused_while_a_service_runs(place: Place) -> None:
    for use in (data_directory.held, data_directory.used):
        with (
            use(place.directory),
            pytest.raises(data_directory.DataDirectoryInUseError, match=r"Stop (it|them) first"),
        ):
            place.restore()
    now = timezone.now()
    WorkerHost.objects.create(host="other", pid=1, workers=2, max_concurrent=2, started_at=now, heartbeat_at=now)
    with pytest.raises(RestoreRefusedError, match="Workers run on this database, on other"):
        place.restore()
    assert place.holds() == "old"


def test_nothing_starts_meanwhile(place: Place) -> None:
    with (
        data_directory.alone(place.directory),
        pytest.raises(data_directory.DataDirectoryInUseError, match="are being replaced"),
        data_directory.used(place.directory),
    ):
        pass


def test_data_are_replaced_only_where_that_was_said(place: Place) -> None:
    with pytest.raises(RestoreRefusedError, match="--replace"):
        place.restore(replace=False)
    assert place.holds() == "old"


@pytest.mark.parametrize("is_empty", [False, True])
def test_another_services_archive_is_taken_only_where_that_was_said(place: Place, is_empty: bool) -> None:
    """It is signed by the key inside, as anybody's would be who knows the recipient; on an empty server as well."""
    if is_empty:
        for left in place.directory.iterdir():
            left.unlink()
    before = sorted(place.directory.iterdir())
    with pytest.raises(RestoreRefusedError, match=r"brings another SECRET_KEY.*--accept-other-key"):
        place.restore(other_key=False, replace=not is_empty)
    assert [path for path in sorted(place.directory.iterdir()) if path.suffix != ".lock"] == before
    place.restore(replace=not is_empty)
    assert place.holds() == "new"


def test_an_archive_of_the_key_that_is_here_needs_no_word(place: Place, settings: Settings) -> None:
    settings.SECRET_KEY = NEW_KEY
    (place.directory / "secret_key").write_text(NEW_KEY)
    place.restore(other_key=False)
    assert place.holds() == "new"


def test_a_database_behind_a_link_stays_there(place: Place, tmp_path: Path) -> None:
    behind = tmp_path / "disk" / "there.sqlite3"
    behind.parent.mkdir()
    for log in ("", "-wal"):
        place.database.with_name(place.database.name + log).rename(behind.with_name(behind.name + log))
    place.database.symlink_to(behind)
    (tmp_path / "link").symlink_to(place.directory)
    place.directory = tmp_path / "link"
    place.restore()
    assert place.holds() == "new"
    assert (tmp_path / "data" / "apiv2.sqlite3").is_symlink()


def test_the_environments_key_has_to_be_the_archives(place: Place, settings: Settings) -> None:
    settings.ENV = settings.ENV.model_copy(update={"secret_key": OLD_KEY})
    with pytest.raises(RestoreRefusedError, match="made with another SECRET_KEY"):
        place.restore(other_key=False)
    assert place.holds() == "old"
    settings.SECRET_KEY_FALLBACKS = [NEW_KEY]
    place.restore(other_key=False)
    assert (place.directory / "secret_key").read_text() == OLD_KEY  # the environment's holds


def test_a_secret_that_was_saved_is_read_with_the_key_that_came_with_it(place: Place, settings: Settings) -> None:
    settings.SECRET_KEY = NEW_KEY
    stored = secrets.encrypt("sk-canary")
    settings.SECRET_KEY = OLD_KEY
    place.restore()
    settings.SECRET_KEY = (place.directory / "secret_key").read_text()
    assert secrets.decrypt(stored) == "sk-canary"


def test_documents_that_are_only_referred_to_have_to_be_there(place: Place, tmp_path: Path, settings: Settings) -> None:
    settings.SECRET_KEY = NEW_KEY
    place.archive = making.make(tmp_path / "other", Terms(files="reference"), silent).archive
    default_storage.delete(StoredDocument.objects.get().path)
    with pytest.raises(RestoreRefusedError, match="1 documents, of which 1 are not in the storage"):
        place.restore()
    place.restore(missing_files=True)


@pytest.mark.parametrize("room", [50_000, 400_000])
def test_a_full_disk_leaves_the_old_data(place: Place, room: int) -> None:
    import resource

    from tests.operations.test_backup import in_a_child

    def restore() -> str:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
        try:
            place.restore()
        except RestoreRefusedError as error:
            return str(error)
        return "restored"

    default_storage.delete(StoredDocument.objects.get().path)
    assert in_a_child(restore) == "The disk is full. The data are as they were."
    assert place.holds() == "old"
    assert not list(place.directory.glob("*.restoring"))
    assert not default_storage.exists(StoredDocument.objects.get().path)
