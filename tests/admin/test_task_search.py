"""The task list finds by words and times what they mean, and looks no further than it says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client

from processing.admin import tasks as page
from processing.documents.models import StoredDocument
from processing.tasks.models import Status, Task
from tests.admin.conftest import make_document, make_task
from tests.admin.test_tasks import found

FIRST = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def days(document: StoredDocument) -> list[Task]:
    """A task a day."""
    return [make_task(document, created_at=FIRST + timedelta(days=n), request_id=f"request-{n}") for n in range(6)]


def test_it_works(as_root: Client, days: list[Task]) -> None:
    assert found(as_root, q="request-4") == [days[4]]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({"since": "2026-03-03T12:00"}, [5, 4, 3, 2]),
        ({"until": "2026-03-03T12:00"}, [1, 0]),
        ({"since": "2026-03-03T11:59", "until": "2026-03-04T12:01"}, [3, 2]),
        ({"since": "2027-01-01T00:00"}, []),
        ({"until": "2025-01-01T00:00"}, []),
        ({"since": "2026-03-03"}, [5, 4, 3, 2]),
    ],
)
def test_tasks_are_filtered_by_the_time_they_came(
    as_root: Client, days: list[Task], query: dict[str, str], numbers: list[int]
) -> None:
    assert found(as_root, **query) == [days[number] for number in numbers]


def test_a_task_whose_time_is_a_little_before_its_number_is_not_missed(as_root: Client, days: list[Task]) -> None:
    late = make_task(days[0].document, created_at=FIRST + timedelta(days=5, seconds=-20))  # type: ignore[arg-type]

    assert late in found(as_root, since="2026-03-06T11:59")
    assert days[5] in found(as_root, until="2026-03-06T12:01")


@pytest.mark.parametrize("moment", ["x", "0001-01-01T00:00", "9999-12-31T23:59", "2026-13-45T00:00", "1"])
def test_what_is_no_time_filters_nothing(as_root: Client, days: list[Task], moment: str) -> None:
    assert found(as_root, since=moment, until=moment) == days[::-1]


def test_an_empty_list_has_times_too(as_root: Client) -> None:
    assert found(as_root, since="2026-03-03T12:00") == []


@pytest.mark.parametrize("name", ["ada", "ADA"])
def test_an_owner_is_named_in_full(as_root: Client, days: list[Task], name: str) -> None:
    make_task(make_document(User.objects.create_user("adam")))

    assert found(as_root, owner=name) == days[::-1]
    assert found(as_root, owner="ad") == []


def test_words_are_looked_for_among_the_latest_alone(
    as_root: Client, days: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "LOOKED_THROUGH", 2)

    assert found(as_root, q="invoice") == [days[5], days[4]]
    assert found(as_root, q="invoice", until="2026-03-03T12:00") == [days[1], days[0]]
    assert found(as_root, q=str(days[0].id)) == [days[0]]


def test_a_request_id_that_looks_like_a_task_id_is_found_too(as_root: Client, document: StoredDocument) -> None:
    wanted = make_task(document, request_id="0123456789abcdef0123456789abcdef")

    assert found(as_root, q=wanted.request_id) == [wanted]


def test_an_id_is_looked_for_within_the_filters(as_root: Client, document: StoredDocument) -> None:
    task = make_task(document, status=Status.COMPLETED)

    assert found(as_root, q=str(task.id), status__exact="failed") == []
