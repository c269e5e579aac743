"""Leases and dues are compared by the database, which may keep times as text: their order is that of time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from processing.tasks import lifecycle, losses
from processing.tasks.models import Task
from tests.conftest import Tenant
from tests.tasks.test_lifecycle import HOST, submitted

Tell = Callable[[str], None]


@pytest.fixture
def tell(db: None, monkeypatch: pytest.MonkeyPatch) -> Tell:
    """Lets SQLite's clock say a moment, to the millisecond, as it does."""
    if connection.vendor != "sqlite":
        pytest.skip("a database with a type for times compares times")
    moments = ["2026-01-01 00:00:00.000"]

    def as_sqlite(self: Now, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template=f"'{moments[-1]}'", **context)

    monkeypatch.setattr(Now, "as_sqlite", as_sqlite)
    return moments.append


@pytest.mark.parametrize(
    "start",
    ["2026-01-01 10:00:00.000", "2026-01-01 10:00:00.999", "2026-12-31 23:59:59.500", "2028-02-29 23:59:40.001"],
)
def test_a_lease_holds_for_its_whole_time_and_no_longer(alice: Tenant, tell: Tell, start: str) -> None:
    begun = datetime.fromisoformat(start)
    submitted(alice, available_at=begun.replace(tzinfo=UTC) - timedelta(days=1))
    tell(start)
    assert lifecycle.claim(HOST, 1, 1) is not None
    for seconds, taken_back in ((-0.001, 0), (0.001, 1)):
        tell((begun + lifecycle.LEASE + timedelta(seconds=seconds)).isoformat(" ", "milliseconds"))
        assert losses.reap() == taken_back


def test_a_task_is_due_when_its_delay_is_over(alice: Tenant, tell: Tell) -> None:
    task = submitted(alice, available_at=timezone.now() - timedelta(days=1))
    tell("2030-06-01 12:00:00.000")
    claim = lifecycle.claim(HOST, 1, 1)
    assert claim is not None
    lifecycle.release(claim, delay=2.5)
    for moment, due in (("12:00:02.499", False), ("12:00:02.501", True)):
        tell(f"2030-06-01 {moment}")
        assert lifecycle.due().exists() is due
    assert Task.objects.get(pk=task.pk).attempts == 1


def test_a_task_is_due_from_the_moment_it_is_written(alice: Tenant, tell: Tell) -> None:
    tell("2030-06-01 12:00:00.000")
    submitted(alice)
    assert lifecycle.due().exists()
