"""What is told is what the rows say, of every metric in the table; and what was counted stays when rows go."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError
from django.db.models.functions import Now
from django.utils import timezone

from modelsregistry.models import Provider
from processing import metrics
from processing.access import audit
from processing.access.usage import Spent
from processing.api.metrics import exposition
from processing.delivery import batches
from processing.delivery.webhooks.models import WebhookDelivery
from processing.errors import DocumentFailed, ModelUnavailable
from processing.metrics import Gauge
from processing.operations import erasure, gauges, measuring
from processing.queue import retention
from processing.queue.models import WorkerHost
from processing.runtime.parameters import Parameters
from processing.tasks import lifecycle, losses
from processing.tasks.lifecycle import Outcome
from processing.tasks.models import Status, Task
from tests.conftest import Tenant
from tests.exposition import counted, samples
from tests.tasks.test_lifecycle import HOST, claimed, expire, outcome, submitted

pytestmark = pytest.mark.django_db(transaction=True)

GUIDE = (
    "api_v2_active_tasks_total",
    "api_v2_queue_length",
    "api_v2_memory_usage_percent",
    "api_v2_processing_time_seconds",
    "api_v2_error_rate",
    "api_v2_completed_tasks_total",
)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(measuring, "PATIENCE", 30.0)
    yield


def told() -> dict[str, float]:
    measuring.forget()
    return samples(exposition(["api_v2"]).decode())


def test_it_works(alice: Tenant) -> None:
    for _ in range(3):
        submitted(alice)
    steps = {"read": 0.5, "generate": 1.5}
    answer = Outcome({"content": "It."}, "clever", 4, 10, 5, 10.0, seconds=steps)
    assert lifecycle.complete(
        claimed(), answer, (Spent("clever", 10, 5, None),), metrics.CACHE_LOOKUPS.by(1, "model", "hit")
    )
    assert lifecycle.fail(claimed(), DocumentFailed("Broken.", "broken"))
    found = told()
    assert all(any(name.startswith(each) for name in found) for each in GUIDE)
    assert {
        name: found[name] for name in found if re.match(r"api_v2_(queue|active|error|submitted|completed|pages)", name)
    } == {
        "api_v2_queue_length": 1,
        "api_v2_active_tasks_total": 0,
        "api_v2_error_rate": 0.5,
        "api_v2_submitted_tasks_total": 3,
        "api_v2_completed_tasks_total": 1,
        "api_v2_pages_total": 4,
    }
    assert found['api_v2_failed_tasks_total{code="broken"}'] == 1
    assert found['api_v2_ended_tasks_by_model_total{model="clever",status="completed"}'] == 1
    assert found['api_v2_ended_tasks_by_model_total{model="local",status="failed"}'] == 1
    assert found['api_v2_tokens_total{direction="input",model="clever"}'] == 10
    assert found['api_v2_step_seconds_sum{step="generate"}'] == 1.5
    assert found['api_v2_cache_lookups_total{cache="model",result="hit"}'] == 1
    assert found["api_v2_processing_time_seconds_count"] == 1
    assert found['api_v2_processing_duration_seconds_bucket{le="+Inf"}'] == 1
    assert found['api_v2_processing_time_seconds{quantile="0.5"}'] >= 0


def test_every_change_of_a_task_is_counted_once(alice: Tenant) -> None:
    tasks = [submitted(alice) for _ in range(6)]
    lifecycle.complete(claimed(), outcome())
    lifecycle.fail(claimed(), ModelUnavailable("Busy.", "busy"))
    lifecycle.release(claimed())
    lifecycle.put_off(claimed(), delay=60)
    lifecycle.cancel(alice.user.pk, tasks[4].id)
    expire(claimed().task)
    losses.reap()
    lifecycle.retry(alice.user.pk, tasks[4].id)
    lost = claimed()
    lifecycle.cancel(alice.user.pk, lost.id)
    assert not lifecycle.complete(lost, outcome())
    claimed()
    assert losses.release_host(HOST, {1}) >= 1
    found = told()
    assert found["api_v2_submitted_tasks_total"] == 6
    assert found["api_v2_completed_tasks_total"] == 1
    assert found["api_v2_cancelled_tasks_total"] == 2
    assert found["api_v2_retried_tasks_total"] == 1
    endings = {
        ending: found[f'api_v2_ended_attempts_total{{ending="{ending}"}}'] for ending in metrics.ENDED_ATTEMPTS.known
    }
    assert endings == {"completed": 1, "failed": 1, "given_back": 1, "lost": 1, "interrupted": 1}


def test_what_was_counted_stays_when_rows_go(alice: Tenant, mallory: Tenant) -> None:
    for owner in (alice, alice, alice, mallory):
        submitted(owner)
        lifecycle.complete(claimed(), outcome())
    before = told()
    assert before["api_v2_completed_tasks_total"] == 4
    Task.objects.filter(owner=alice.user).update(completed_at=timezone.now() - timedelta(days=400))
    erasure.erase_task(alice.user.pk, Task.objects.filter(owner=alice.user).first().id, audit.SERVICE)  # type: ignore[union-attr]
    assert retention.delete_old_tasks(Parameters()) == 2
    erasure.erase_owner(User.objects.get(pk=mallory.user.pk), audit.SERVICE)
    assert not Task.objects.exists()
    after = told()
    assert counted(after) == counted(before)


def test_a_cancelled_batch_is_counted(alice: Tenant) -> None:
    batch = batches.Batch.objects.create(owner=alice.user, total=2)
    for _ in range(2):
        submitted(alice, batch=batch)
    lifecycle.cancel_batch(batch.pk)
    assert told()["api_v2_cancelled_tasks_total"] == 2


def test_every_gauge_of_the_table_is_looked_up(alice: Tenant) -> None:
    Provider.objects.create(name="Bounded", kind="openai_compatible", base_url="https://example.org", max_concurrency=2)
    WorkerHost.objects.create(
        host="there", pid=1, workers=2, max_concurrent=2, memory_used_percent=40, started_at=Now(), heartbeat_at=Now()
    )
    found = told()
    missing = [
        each.name
        for each in metrics.TABLE.values()
        if isinstance(each, Gauge) and not any(name.partition("{")[0] == metrics.PREFIX + each.name for name in found)
    ]
    assert missing == []
    assert found['api_v2_workers{host="there"}'] == 2
    assert found['api_v2_memory_usage_percent{host="there"}'] == 40
    assert found['api_v2_provider_slots{provider="Bounded"}'] == 2


def test_a_host_that_is_gone_is_told_of_by_its_silence_alone(db: None) -> None:
    for name, ago in (("killed", timedelta(minutes=5)), ("former", timedelta(days=2))):
        then = timezone.now() - ago
        WorkerHost.objects.create(
            host=name, pid=1, workers=2, max_concurrent=2, memory_used_percent=99, started_at=then, heartbeat_at=then
        )
    found = told()
    assert found["api_v2_worker_hosts"] == 0
    assert {name for name in found if "killed" in name or "former" in name} == {
        'api_v2_heartbeat_age_seconds{host="killed"}',
        'api_v2_running_tasks{host="killed"}',
    }
    assert found['api_v2_heartbeat_age_seconds{host="killed"}'] == pytest.approx(300, abs=60)


def test_the_wait_is_that_of_the_first_in_line_since_it_was_due(alice: Tenant) -> None:
    now = timezone.now()
    submitted(alice, priority=1)
    submitted(alice, priority=-1, available_at=now - timedelta(seconds=500), created_at=now - timedelta(days=9))
    submitted(alice, priority=-1, available_at=now + timedelta(seconds=500))
    assert told()["api_v2_oldest_waiting_seconds"] == pytest.approx(500, abs=60)


@pytest.mark.parametrize(
    ("began", "lease", "timeout", "overdue"),
    [(-30, 20, 60, 0), (-600, 20, 3600, 0), (-600, 20, 60, 1), (-600, -300, 3600, 1), (-65, 20, 60, 0)],
)
def test_a_task_is_overdue_past_its_own_time_or_without_a_lease(
    alice: Tenant, began: int, lease: int, timeout: int, overdue: int
) -> None:
    submitted(alice)
    now = timezone.now()
    Task.objects.filter(pk=claimed().task.pk).update(
        started_at=now + timedelta(seconds=began),
        lease_expires_at=now + timedelta(seconds=lease),
        options={"timeout": timeout},
    )
    assert told()["api_v2_overdue_tasks"] == overdue


def test_an_error_of_an_hour_ago_is_no_rate(alice: Tenant) -> None:
    submitted(alice)
    lifecycle.fail(claimed(), DocumentFailed("Broken.", "broken"))
    Task.objects.filter(status=Status.FAILED).update(completed_at=timezone.now() - timedelta(hours=1))
    assert told()["api_v2_error_rate"] == 0


def test_providers_beyond_the_bound_are_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gauges, "MOST", 2)
    soon = timezone.now() + timedelta(minutes=5)
    for number in range(5):
        Provider.objects.create(
            name=f"p{number}", kind="openai_compatible", open_until=soon, consecutive_failures=number
        )
    found = told()
    assert {name: value for name, value in found.items() if "api_v2_provider_open" in name} == {
        'api_v2_provider_open{provider="p0"}': 1,
        'api_v2_provider_open{provider="p1"}': 1,
        'api_v2_provider_open{provider="other"}': 3,
    }
    assert found['api_v2_provider_consecutive_failures{provider="other"}'] == 4


def test_a_webhook_is_late_once_it_is_past_its_time(alice: Tenant) -> None:
    for seconds in (-120, 600):
        WebhookDelivery.objects.create(
            owner=alice.user,
            type="x",
            url="u",
            target="t",
            body="",
            next_at=timezone.now() + timedelta(seconds=seconds),
        )
    found = told()
    assert found["api_v2_webhook_backlog"] == 2
    assert found["api_v2_webhook_overdue_seconds"] == pytest.approx(120, abs=60)


def test_without_a_database_the_host_tells_what_it_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    def down() -> None:
        raise DatabaseError("gone")

    monkeypatch.setattr(measuring.ledger, "totals", down)
    assert {name.partition("{")[0] for name in told()} == {
        "api_v2_up",
        "api_v2_build_info",
        "api_v2_memory_usage_percent",
        "api_v2_disk_free_bytes",
    }
    assert told()["api_v2_up"] == 0
    monkeypatch.undo()
    assert told()["api_v2_up"] == 1
