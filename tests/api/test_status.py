"""Reading where a task stands, listing tasks and cancelling them: one's own, and nobody else's."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from processing.errors import DocumentFailed
from processing.tasks import lifecycle
from processing.tasks.lifecycle import Outcome
from processing.tasks.models import Status, Task
from tests.conftest import Tenant
from tests.tasks.test_lifecycle import claimed, submitted

pytestmark = pytest.mark.django_db

RESULT = {"content": "It.", "citations": [{"page": 1, "text": "It", "score": 1.0}]}
FIELDS = {
    "task_id", "status", "progress", "step", "position", "result", "error", "error_type", "error_code", "created_at",
    "started_at", "completed_at", "processing_time", "model_used", "file_info", "memory_usage", "attempts",
}  # fmt: skip


def get(tenant: Tenant, task: Task) -> Any:
    return tenant.client.get(f"/api/v2/status/{task.id}")


def test_it_works(alice: Tenant) -> None:
    task = submitted(alice)
    lifecycle.complete(claimed(), Outcome(RESULT, "local", 1, 1, 1, 42.0))
    body = get(alice, task).json()
    assert set(body) == FIELDS
    assert (body["status"], body["progress"], body["result"]) == ("completed", 100.0, RESULT)
    assert body["file_info"] == {"filename": "a.txt", "size": 1, "type": "text/plain", "pages": 1}
    assert set(body["memory_usage"]) == {"used_percent", "available_mb", "total_mb", "task_peak_mb"}
    assert body["memory_usage"]["task_peak_mb"] == 42.0
    assert body["processing_time"] >= 0


def test_a_waiting_task_tells_its_position(alice: Tenant) -> None:
    tasks = [submitted(alice) for _ in range(3)]
    bodies = [get(alice, task).json() for task in tasks]
    assert [body["position"] for body in bodies] == [1, 2, 3]
    assert all(body["progress"] == 0.0 for body in bodies)


def test_the_state_of_a_running_task(alice: Tenant) -> None:
    task = submitted(alice)
    lifecycle.progress(claimed(), 25, "extracting page 3 of 12")
    body = get(alice, task).json()
    assert (body["status"], body["progress"], body["step"]) == ("processing", 25.0, "extracting page 3 of 12")
    assert body["result"] is None


def test_a_failed_task_says_why(alice: Tenant) -> None:
    task = submitted(alice)
    lifecycle.fail(claimed(), DocumentFailed("The document is damaged.", "document_broken"))
    body = get(alice, task).json()
    assert (body["status"], body["result"]) == ("failed", None)
    told = (body["error"], body["error_type"], body["error_code"])
    assert told == ("The document is damaged.", "processing_error", "document_broken")
    assert body["completed_at"] >= body["started_at"] >= body["created_at"] > 0
    assert body["progress"] is not None


@pytest.mark.parametrize("path", ["/api/v2/status/{}", "/api/v2/tasks/{}", "/api/v2/status/{}/"])
def test_a_strangers_task_looks_like_none(alice: Tenant, mallory: Tenant, path: str) -> None:
    task = submitted(alice)
    theirs = mallory.client.get(path.format(task.id))
    missing = mallory.client.get(path.format(uuid.uuid4()))
    assert theirs.status_code == missing.status_code == 404
    ours = {"timestamp", "request_id", "task_id"}
    assert {k: v for k, v in theirs.json().items() if k not in ours} == {
        k: v for k, v in missing.json().items() if k not in ours
    }
    assert alice.client.get(path.format(task.id)).status_code == 200


@pytest.mark.parametrize("identifier", ["1", "abc", "-" * 36, "../health"])
def test_what_is_no_id_is_not_found(alice: Tenant, identifier: str) -> None:
    response = alice.client.get(f"/api/v2/status/{identifier}")
    assert response.status_code == 404
    assert response.json()["error_type"] == "system_error"


def test_the_list_is_ones_own_and_newest_first(alice: Tenant, mallory: Tenant) -> None:
    tasks = [submitted(alice) for _ in range(3)]
    submitted(mallory)
    body = alice.client.get("/api/v2/tasks?page_size=2").json()
    assert [item["task_id"] for item in body["results"]] == [str(task.id) for task in reversed(tasks)][:2]
    rest = alice.client.get(body["next"]).json()
    assert [item["task_id"] for item in rest["results"]] == [str(tasks[0].id)]
    assert rest["next"] is None


def test_the_list_filters_by_status(alice: Tenant) -> None:
    submitted(alice)
    done = submitted(alice)
    Task.objects.filter(pk=done.pk).update(status=Status.COMPLETED)
    body = alice.client.get("/api/v2/tasks?status=completed").json()
    assert [item["task_id"] for item in body["results"]] == [str(done.id)]
    assert alice.client.get("/api/v2/tasks?status=odd").status_code == 422


def test_cancel(alice: Tenant, mallory: Tenant) -> None:
    task = submitted(alice)
    url = f"/api/v2/tasks/{task.id}"
    assert mallory.client.delete(url).status_code == 404
    body = alice.client.delete(url).json()
    assert body["task_id"] == str(task.id)
    assert set(body) == {"message", "task_id", "timestamp"}
    assert get(alice, task).json()["status"] == "cancelled"
    again = alice.client.delete(url)
    assert (again.status_code, again.json()["code"]) == (400, "task_finished")


def test_a_sane_request_id_is_kept_and_another_replaced(alice: Tenant) -> None:
    task = submitted(alice)
    url = f"/api/v2/status/{task.id}"
    assert alice.client.get(url, HTTP_X_REQUEST_ID="abc-1.2")["X-Request-ID"] == "abc-1.2"
    assert alice.client.get(url, HTTP_X_REQUEST_ID="a b\tc")["X-Request-ID"] != "a b\tc"


def test_an_unknown_route_is_a_problem(alice: Tenant) -> None:
    response = alice.client.get("/api/v2/nowhere")
    assert response.status_code == 404
    assert response.json()["code"] == "not_found"
