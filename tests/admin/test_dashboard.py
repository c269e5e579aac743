"""The first page tells at a glance how the service is doing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from processing.access.models import ApiKey, UsageOfDay
from processing.documents.models import StoredDocument
from processing.operations import figures as figures_of_hours
from processing.operations.figures import Spread
from processing.queue.models import WorkerHost
from processing.tasks.models import Status
from tests.admin.conftest import make_task


def figures(client: Client) -> dict[str, int]:
    return {card.title: card.count for card in client.get("/admin/").context["cards"]}


def test_it_works(as_root: Client, document: StoredDocument, host: WorkerHost) -> None:
    now = timezone.now()
    make_task(document, status=Status.QUEUED)
    make_task(document, status=Status.QUEUED)
    make_task(document, status=Status.PROCESSING)
    make_task(document, status=Status.COMPLETED, completed_at=now - timedelta(hours=23))
    make_task(document, status=Status.COMPLETED, completed_at=now - timedelta(hours=25))
    make_task(document, status=Status.FAILED, completed_at=now)

    assert figures(as_root) == {"Queued": 2, "Processing": 1, "Completed": 1, "Failed": 1, "Hosts alive": 1}


def test_a_silent_host_is_not_alive(as_root: Client, host: WorkerHost) -> None:
    WorkerHost.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=1))

    assert figures(as_root)["Hosts alive"] == 0
    assert "silent" in as_root.get("/admin/processing/workerhost/").content.decode()


def test_an_empty_service_has_a_first_page(as_root: Client) -> None:
    assert set(figures(as_root).values()) == {0}


def test_staff_see_the_figures_of_what_they_may_see(staff: Callable[..., Client], owner: User) -> None:
    assert figures(staff()) == {}


def test_staff_who_may_see_tasks_see_their_figures(staff: Callable[..., Client]) -> None:
    assert set(figures(staff("processing.view_task"))) == {"Queued", "Processing", "Completed", "Failed"}


def test_the_last_day_is_told_by_the_hour(as_root: Client, document: StoredDocument) -> None:
    now = timezone.now()
    for _ in range(3):
        make_task(document, status=Status.COMPLETED, completed_at=now)
    make_task(document, status=Status.FAILED, completed_at=now, error_code="document_broken")
    context = as_root.get("/admin/").context

    assert len(context["columns"]) == 24
    assert (context["columns"][-1].completed, context["columns"][-1].failed) == (3, 1)
    assert context["error_rate"] == "25.0 %"
    assert [(row["count"], row["percent"]) for row in context["error_codes"]] == [(1, "100.0")]


def test_an_hour_that_has_passed_is_counted_once(as_root: Client, document: StoredDocument) -> None:
    figures_of_hours.hours()
    figures_of_hours.hours.forget()
    with CaptureQueriesContext(connection) as queries:
        figures_of_hours.hours()

    assert len(queries) <= 4  # the present hour, and the last one for its first minutes


def test_half_and_nearly_all_of_the_durations(document: StoredDocument) -> None:
    now = timezone.now()
    for seconds in range(1, 101):
        start = now - timedelta(seconds=seconds)
        make_task(
            document,
            status=Status.COMPLETED,
            created_at=start - timedelta(seconds=2),
            started_at=start,
            completed_at=now,
        )
    latency = figures_of_hours.latency()

    assert latency.tasks == 100
    assert latency.working == Spread(50.0, 95.0)
    assert latency.waiting == Spread(2.0, 2.0)


def test_spend_is_told_by_model_and_by_key(as_root: Client, owner: User, key: ApiKey) -> None:
    today = timezone.now().date()
    used = {"owner": owner, "input_tokens": 10, "output_tokens": 5, "tasks": 2, "failed": 1}
    UsageOfDay.objects.create(day=today, model="gpt", api_key=key, cost="1.5", **used)
    UsageOfDay.objects.create(day=today - timedelta(days=29), model="gpt", cost="0.5", **used)
    UsageOfDay.objects.create(day=today - timedelta(days=30), model="old", cost="9", **used)
    by_model, by_key = figures_of_hours.spend_by_model(), figures_of_hours.spend_by_key()

    assert [(each.name, each.tasks, each.failed, each.tokens, each.cost) for each in by_model] == [("gpt", 4, 2, 30, 2)]
    assert [each.name for each in by_key] == [f"{key.prefix}… laptop (ada)", "ada"]
    assert "1.5000" in as_root.get("/admin/").content.decode()


def test_the_live_part_comes_alone_to_those_who_may_see_it(
    as_root: Client, staff: Callable[..., Client], document: StoredDocument, host: WorkerHost
) -> None:
    make_task(document, status=Status.PROCESSING, step="extracting page 3", host="worker-1")
    shown = as_root.get("/admin/processing/task/live/")
    page = shown.content.decode()

    assert "extracting page 3" in page and "worker-1" in page and "<html" not in page
    assert "no-store" in shown["Cache-Control"]
    assert staff().get("/admin/processing/task/live/").content.decode().strip() == ""
    assert Client().get("/admin/processing/task/live/").status_code == 302


@pytest.mark.skipif(connection.vendor != "sqlite", reason="reads the plan as SQLite writes it")
def test_every_figure_of_tasks_is_read_from_an_index(as_root: Client, document: StoredDocument) -> None:
    make_task(document, status=Status.PROCESSING)
    with CaptureQueriesContext(connection) as queries:
        as_root.get("/admin/")
    about_tasks = [each["sql"] for each in queries if '"processing_task"' in each["sql"]]

    assert about_tasks
    for sql in about_tasks:
        with connection.cursor() as cursor:
            cursor.execute("EXPLAIN QUERY PLAN " + sql)
            assert "SCAN processing_task" not in str(cursor.fetchall())
