"""Who made a backup, and who restored one, stands in the audit, and never keeps either from being done."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.db import DatabaseError

from processing.access import audit
from processing.access.models import AuditEntry
from processing.operations.backup import making
from processing.operations.backup.making import Terms
from tests.conftest import Tenant
from tests.operations.test_backup import kept, silent
from tests.operations.test_restore import Place, place, pytestmark  # noqa: F401

ME = pwd.getpwuid(os.getuid()).pw_name


def entries() -> list[dict[str, Any]]:
    found = AuditEntry.objects.filter(target_kind="backup").order_by("id")
    return [{**entry.changes, "_": (entry.door, entry.actor_name, entry.action, entry.target_id)} for entry in found]


def test_a_backup_is_told_of(alice: Tenant, tmp_path: Path) -> None:
    kept(alice, b"a note")
    first = making.make(tmp_path / "shelf", Terms(with_secret_key=True, keep=1), silent)
    [told] = entries()
    assert told == {
        "_": ("command", ME, "made", first.archive.name),
        "directory": str(tmp_path / "shelf"),
        "bytes": first.archive.stat().st_size,
        "deleted": [],
        "documents": 1,
        "files": "copy",
        "rows": sum(first.manifest.rows.values()),
        "checksums": first.manifest.checksums,
        "has_secret_key": True,
    }
    old = first.archive.rename(first.archive.with_name("api-v2-20200101T000000Z.tar"))
    making.make(tmp_path / "shelf", Terms(keep=1), silent)
    assert entries()[-1]["deleted"] == [old.name]


def test_a_restore_is_told_of(place: Place) -> None:  # noqa: F811
    place.restore()
    made, told = entries()
    assert told["_"] == ("command", ME, "restored", place.archive.name)
    assert told["accepted"] == ["replace", "other_key"]
    assert (told["checksums"], told["documents"]) == (made["checksums"], 1)


def test_a_restore_that_was_refused_is_not(place: Place) -> None:  # noqa: F811
    with pytest.raises(Exception, match="--replace"):
        place.restore(replace=False)
    assert [each["_"][2] for each in entries()] == ["made"]


def test_what_the_database_does_not_take_keeps_neither_from_being_done(
    place: Place,  # noqa: F811
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with mock.patch.object(audit, "record", side_effect=DatabaseError("no such column")):
        assert making.make(tmp_path / "other", Terms(), silent).archive.exists()
        place.restore()
    assert place.holds() == "new"
    told = [record for record in caplog.records if record.message == "a backup could not be recorded in the audit"]
    assert [record.action for record in told] == ["made", "restored"]  # type: ignore[attr-defined]


def test_a_command_acts_in_the_name_of_the_systems_user() -> None:
    assert audit.by_command() == audit.Actor("command", name=ME)
    with mock.patch.object(pwd, "getpwuid", side_effect=KeyError):  # as in a container with any number as its user
        assert audit.by_command() == audit.COMMAND
