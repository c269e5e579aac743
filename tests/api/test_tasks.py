"""The list of tasks: one's own alone, and no tampered cursor brings more, or brings it down."""

from __future__ import annotations

import base64

import pytest

from processing.tasks.models import Task
from tests.conftest import Tenant

pytestmark = pytest.mark.django_db
URL = "/api/v2/tasks"


def add(tenant: Tenant, count: int) -> list[Task]:
    return [
        Task.objects.create(owner=tenant.user, prompt="?", model="local", filename="a.txt", file_size=1, file_type="t")
        for _ in range(count)
    ]


def cursor(content: str) -> str:
    return base64.b64encode(content.encode()).decode()


def test_it_works(alice: Tenant) -> None:
    tasks = add(alice, 3)
    first = alice.client.get(URL, {"page_size": 2}).json()
    second = alice.client.get(first["next"]).json()
    seen = [each["task_id"] for each in first["results"] + second["results"]]
    assert seen == [str(task.id) for task in reversed(tasks)]
    assert second["next"] is None


def test_a_cursor_of_another_tenant_shows_ones_own_tasks_alone(alice: Tenant, mallory: Tenant) -> None:
    add(mallory, 2)
    add(alice, 3)
    add(mallory, 2)
    link = alice.client.get(URL, {"page_size": 2}).json()["next"]
    own = {str(each) for each in Task.objects.filter(owner=mallory.user).values_list("id", flat=True)}
    assert {each["task_id"] for each in mallory.client.get(link).json()["results"]} <= own


@pytest.mark.parametrize("content", ["p=abc", "p=1%00", "p=-1", "p=1.5", "p=" + "9" * 5000, "p=٣x", "o=-1&p=x"])
def test_a_tampered_cursor_is_the_callers_error(alice: Tenant, content: str) -> None:
    add(alice, 1)
    response = alice.client.get(URL, {"cursor": cursor(content)})
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("sent", ["zzz", "=", "A" * 5000, cursor("p=" + "9" * 19), cursor("o=" + "9" * 30)])
def test_a_senseless_cursor_is_no_fault_of_ours(alice: Tenant, sent: str) -> None:
    add(alice, 1)
    assert alice.client.get(URL, {"cursor": sent}).status_code in (200, 404)
