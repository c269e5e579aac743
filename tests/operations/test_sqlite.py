"""How SQLite is opened, what that promises, and the versions that are warned of."""

from __future__ import annotations

import pytest
from django.db import connection

from apiv2project import environment
from processing.operations.sqlite_version import has_fault


@pytest.mark.django_db
def test_commits_wait_for_the_disk() -> None:
    if connection.vendor != "sqlite":
        pytest.skip("of SQLite")
    with connection.cursor() as cursor:
        found = {}
        for pragma in ("journal_mode", "synchronous", "temp_store", "secure_delete", "busy_timeout"):
            cursor.execute(f"PRAGMA {pragma}")
            found[pragma] = cursor.fetchone()[0]
    full, memory = 2, 2  # https://www.sqlite.org/pragma.html
    assert found == {
        "journal_mode": "wal", "synchronous": full, "temp_store": memory, "secure_delete": 1, "busy_timeout": 30_000
    }  # fmt: skip


def test_they_need_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert environment.read({}).sqlite_synchronous == "FULL"
    assert environment.read({"API_V2_SQLITE_SYNCHRONOUS": "normal"}).sqlite_synchronous == "NORMAL"
    with pytest.raises(SystemExit):
        environment.read({"API_V2_SQLITE_SYNCHRONOUS": "OFF; DROP TABLE x"})
    assert capsys.readouterr().err.startswith("API_V2_SQLITE_SYNCHRONOUS: ")


@pytest.mark.parametrize(
    ("version", "faulty"),
    [
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 0), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((4, 0, 0), False),
    ],
)
def test_versions_with_a_fault_are_warned_of(version: tuple[int, ...], faulty: bool) -> None:
    assert has_fault(version) is faulty
