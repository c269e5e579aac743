"""Tasks can be found, read and cancelled."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from processing.documents.models import StoredDocument
from processing.tasks.models import Status, Task
from tests.admin.conftest import RESULT, make_document, make_task

LIST = "/admin/processing/task/"


def found(client: Client, **query: str) -> list[Task]:
    return list(client.get(LIST, query).context["cl"].result_list)


def cancel(client: Client, *tasks: Task) -> Any:
    return client.post(LIST, {"action": "cancel", "_selected_action": [task.pk for task in tasks]}, follow=True)


def test_it_works(as_root: Client, task: Task) -> None:
    page = as_root.get(reverse("admin:processing_task_change", args=[task.pk])).content.decode()

    assert RESULT["content"] in page
    assert "Total due: 12.50 EUR" in page
    assert "Page 3" in page
    assert "What is the total?" in page
    assert str(task.id) in page


def test_a_failed_task_shows_what_its_caller_was_told(as_root: Client, document: StoredDocument) -> None:
    failed = make_task(
        document, status=Status.FAILED, error="The document is encrypted.", error_code="document_encrypted"
    )

    page = as_root.get(reverse("admin:processing_task_change", args=[failed.pk])).content.decode()

    assert "The document is encrypted." in page
    assert "document_encrypted" in page


@pytest.mark.parametrize("search", ["id", "id without dashes", "filename", "owner", "error code"])
def test_a_task_is_found_by(as_root: Client, owner: User, search: str) -> None:
    wanted = make_task(make_document(owner, "contract.pdf"), status=Status.FAILED, error_code="document_encrypted")
    make_task(make_document(User.objects.create_user("grace"), "invoice.pdf"))
    words = {
        "id": str(wanted.id),
        "id without dashes": wanted.id.hex,
        "filename": "contract",
        "owner": "ada",
        "error code": "encrypted",
    }

    assert found(as_root, q=words[search]) == [wanted]


def test_an_unknown_id_is_found_nowhere(as_root: Client, task: Task) -> None:
    assert found(as_root, q="00000000-0000-0000-0000-000000000000") == []


@pytest.mark.parametrize(
    "query",
    [{"status__exact": "failed"}, {"model": "gpt-4-vision"}, {"error_code": "document_encrypted"}],
)
def test_tasks_are_filtered_by(as_root: Client, document: StoredDocument, query: dict[str, str]) -> None:
    make_task(document, status=Status.QUEUED)
    wanted = make_task(document, status=Status.FAILED, model="gpt-4-vision", error_code="document_encrypted")

    assert found(as_root, **query) == [wanted]


def test_the_list_neither_counts_all_tasks_nor_reads_their_answers(as_root: Client, task: Task) -> None:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        as_root.get(LIST)

    about_tasks = [query["sql"] for query in queries if "processing_task" in query["sql"]]
    assert about_tasks
    assert not [sql for sql in about_tasks if "COUNT(" in sql or '"result"' in sql or "LIMIT" not in sql]


def test_the_latest_task_comes_first(as_root: Client, document: StoredDocument) -> None:
    now = timezone.now()
    first = make_task(document, status=Status.COMPLETED, completed_at=now)
    second = make_task(document, status=Status.COMPLETED, completed_at=now - timedelta(minutes=1))

    assert found(as_root) == [second, first]
    assert found(as_root, status__exact="completed") == [second, first]
    assert found(as_root, o="6") == [second, first]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="reads the plan as SQLite writes it")
@pytest.mark.parametrize(
    ("query", "index"),
    [
        ({}, "PRIMARY KEY"),
        ({"status__exact": "completed"}, "task_list_status"),
        ({"status__exact": "queued"}, "task_list_status"),
        ({"model": "local"}, "task_list_model"),
        ({"error_code": "document_encrypted"}, "task_list_error"),
        ({"owner": "ADA"}, "owner"),  # one of two, which both have its tasks in order
        ({"since": "2026-01-01T00:00"}, "PRIMARY KEY"),
        ({"status__exact": "failed", "since": "2026-01-01T00:00", "older_than": "9"}, "task_list_status"),
        ({"q": "invoice"}, "PRIMARY KEY"),
    ],
)
def test_every_list_is_read_in_the_order_of_an_index(
    as_root: Client, task: Task, query: dict[str, str], index: str
) -> None:
    with CaptureQueriesContext(connection) as queries:
        as_root.get(LIST, query)
    (keys,) = [each["sql"] for each in queries if "LIMIT 51" in each["sql"]]

    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN QUERY PLAN " + keys)
        plan = str(cursor.fetchall())

    assert "INDEX" in plan or index == "PRIMARY KEY"
    assert index in plan or (index == "PRIMARY KEY" and "SCAN processing_task'" in plan)
    assert "TEMP B-TREE" not in plan


def test_a_longer_list_takes_no_more_queries(as_root: Client, document: StoredDocument) -> None:
    make_task(document)
    with CaptureQueriesContext(connection) as few:
        as_root.get(LIST)
    for _ in range(5):
        make_task(document)
    with CaptureQueriesContext(connection) as many:
        as_root.get(LIST)

    assert len(many) == len(few)


def test_cancel_ends_those_that_have_not_ended(as_root: Client, document: StoredDocument, task: Task) -> None:
    waiting = make_task(document, status=Status.QUEUED)
    running = make_task(document, status=Status.PROCESSING, lease_token=4)

    page = cancel(as_root, waiting, running, task).content.decode()

    for each in (waiting, running, task):
        each.refresh_from_db()
    assert (waiting.status, running.status, task.status) == ("cancelled", "cancelled", "completed")
    assert running.lease_token == 5
    assert "2 tasks were cancelled." in page
    assert "1 task had already ended." in page
    assert LogEntry.objects.count() == 2


def test_who_may_only_look_cannot_cancel(staff: Callable[..., Client], document: StoredDocument) -> None:
    waiting = make_task(document, status=Status.QUEUED)

    cancel(staff("processing.view_task", "processing.change_task"), waiting)

    waiting.refresh_from_db()
    assert waiting.status == Status.QUEUED


def test_who_holds_the_permission_can_cancel(staff: Callable[..., Client], document: StoredDocument) -> None:
    waiting = make_task(document, status=Status.QUEUED)

    cancel(staff("processing.view_task", "processing.cancel_task"), waiting)

    waiting.refresh_from_db()
    assert waiting.status == Status.CANCELLED


def test_a_task_whose_document_is_gone_is_still_readable(as_root: Client, document: StoredDocument) -> None:
    orphan = make_task(document, result={"content": None, "citations": None})
    document.delete()

    response = as_root.get(reverse("admin:processing_task_change", args=[orphan.pk]))

    assert response.status_code == 200
    assert "Deleted" in response.content.decode()
