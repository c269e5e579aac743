"""Long lists are paged by place: every row is shown once, in both directions, and no page is an offset away."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from processing.admin.base import LongList
from processing.documents.models import StoredDocument
from processing.tasks.models import Status, Task
from tests.admin.conftest import make_task

LIST = "/admin/processing/task/"
DOCUMENTS = "/admin/processing/storeddocument/"


@pytest.fixture(autouse=True)
def short_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LongList, "list_per_page", 3)


@pytest.fixture
def tasks(document: StoredDocument) -> list[Task]:
    return [make_task(document, status=Status.FAILED if n % 2 else Status.COMPLETED) for n in range(8)][::-1]


def changelist(client: Client, url: str, query: Any = None) -> Any:
    return client.get(url, query).context["cl"]


def test_it_works(as_root: Client, tasks: list[Task]) -> None:
    first = changelist(as_root, LIST)
    second = changelist(as_root, LIST + first.older)
    third = changelist(as_root, LIST + second.older)

    assert [*first.result_list, *second.result_list, *third.result_list] == tasks
    assert (first.newer, first.newest, third.older) == ("", "", "")


def test_the_way_back_shows_the_same_pages(as_root: Client, tasks: list[Task]) -> None:
    second = changelist(as_root, LIST + changelist(as_root, LIST).older)
    third = changelist(as_root, LIST + second.older)
    back = changelist(as_root, LIST + third.newer)
    start = changelist(as_root, LIST + back.newer)

    assert list(back.result_list) == list(second.result_list)
    assert list(start.result_list) == tasks[:3]
    assert start.newer == ""
    assert list(changelist(as_root, LIST + third.newest).result_list) == tasks[:3]


def test_a_filter_holds_on_every_page_and_a_new_one_starts_at_the_newest(as_root: Client, tasks: list[Task]) -> None:
    failed = [task for task in tasks if task.status == Status.FAILED]
    first = changelist(as_root, LIST, {"status__exact": "failed"})
    page = as_root.get(LIST + first.older)
    form = re.search(r'<form id="filter-form".*?</form>', page.content.decode(), re.DOTALL)

    assert [*first.result_list, *page.context["cl"].result_list] == failed
    assert form is not None
    assert "older_than" not in form[0]


def test_rows_of_one_moment_are_told_apart(as_root: Client, owner: User) -> None:
    now = timezone.now()
    columns = {"format": "pdf", "media_type": "application/pdf", "size": 1, "path": "p", "sha256": "a" * 64}
    for n in range(7):
        StoredDocument.objects.create(owner=owner, filename=f"{n}.pdf", **columns)
    StoredDocument.objects.update(created_at=now)
    StoredDocument.objects.filter(filename="6.pdf").update(created_at=now + timedelta(seconds=1))
    first = changelist(as_root, DOCUMENTS)
    second = changelist(as_root, DOCUMENTS + first.older)
    third = changelist(as_root, DOCUMENTS + second.older)
    shown = [each.filename for page in (first, second, third) for each in page.result_list]

    assert sorted(shown) == [f"{n}.pdf" for n in range(7)]
    assert shown[0] == "6.pdf"


@pytest.mark.parametrize("place", ["x", "-1", "1~2", "9" * 40, "", "\u0661"])
@pytest.mark.parametrize("name", ["older_than", "newer_than"])
def test_a_senseless_place_is_no_fault_of_ours(as_root: Client, tasks: list[Task], name: str, place: str) -> None:
    for url in (LIST, DOCUMENTS):
        assert as_root.get(url, {name: place}, follow=True).status_code == 200


def test_a_far_page_asks_for_no_offset(as_root: Client, tasks: list[Task]) -> None:
    with CaptureQueriesContext(connection) as queries:
        as_root.get(LIST, {"older_than": tasks[4].seq})

    assert not [each["sql"] for each in queries if "OFFSET" in each["sql"]]


def test_an_action_is_done_on_a_page_far_back(as_root: Client, document: StoredDocument) -> None:
    waiting = [make_task(document, status=Status.QUEUED, started_at=None) for _ in range(5)]
    query = changelist(as_root, LIST).older

    as_root.post(LIST + query, {"action": "cancel", "_selected_action": [waiting[0].pk]})

    assert list(Task.objects.filter(status=Status.CANCELLED)) == [waiting[0]]
