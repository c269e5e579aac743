"""`POST /api/v2/tasks/{id}/retry`: one's own failed or cancelled task, within the bounds of the queue."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.core.files.storage import default_storage

from modelsregistry.provisioning import provision
from processing.access.models import AuditEntry
from processing.errors import DocumentFailed
from processing.runtime import configuration
from processing.tasks import lifecycle
from processing.tasks.models import Status, Task
from tests.api.test_process import assert_problem, post
from tests.conftest import Tenant, untold_key

pytestmark = pytest.mark.django_db(transaction=True)


def retry(tenant: Tenant, task_id: object) -> Any:
    return tenant.client.post(f"/api/v2/tasks/{task_id}/retry")


@pytest.fixture
def failed(alice: Tenant) -> Task:
    provision({})
    assert post(alice).status_code == 200
    claim = lifecycle.claim("here", 1, 1)
    assert claim is not None
    lifecycle.fail(claim, DocumentFailed("Broken.", "document_broken"))
    return Task.objects.get()


def test_it_works(alice: Tenant, failed: Task) -> None:
    response = retry(alice, failed.id)
    assert response.status_code == 200
    body = response.json()
    assert (body["task_id"], body["status"], body["position"]) == (str(failed.id), "queued", 1)
    assert set(body) == {"message", "task_id", "status", "position", "estimated_time", "timestamp"}
    shown = alice.client.get(f"/api/v2/status/{failed.id}").json()
    assert (shown["status"], shown["error"], shown["attempts"], shown["completed_at"]) == ("queued", None, 0, None)


def test_it_is_told_by_the_audit(alice: Tenant, failed: Task) -> None:
    retry(alice, failed.id)
    entry = AuditEntry.objects.get(action="retried")
    assert (entry.actor_id, entry.actor_key) == (alice.user.pk, alice.key.prefix)
    assert (entry.door, entry.target_kind, entry.target_id) == ("api", "task", str(failed.id))


def test_a_stranger_finds_nothing(mallory: Tenant, failed: Task) -> None:
    assert_problem(retry(mallory, failed.id), 404, "task_not_found")
    assert_problem(retry(mallory, uuid.uuid4()), 404, "task_not_found")
    failed.refresh_from_db()
    assert failed.status == Status.FAILED
    assert not AuditEntry.objects.filter(action="retried").exists()


@pytest.mark.parametrize(
    ("status", "answer", "code"),
    [
        ("completed", 400, "task_completed"),
        ("queued", 409, "task_not_ended"),
        ("processing", 409, "task_not_ended"),
    ],
)
def test_only_what_failed_or_was_cancelled(alice: Tenant, failed: Task, status: str, answer: int, code: str) -> None:
    Task.objects.update(status=status)
    response = retry(alice, failed.id)
    assert_problem(response, answer, code)
    assert response.json()["task_id"] == str(failed.id)


def test_a_cancelled_task(alice: Tenant, failed: Task) -> None:
    Task.objects.update(status=Status.CANCELLED)
    assert retry(alice, failed.id).status_code == 200


def test_not_without_its_document(alice: Tenant, failed: Task) -> None:
    assert failed.document is not None
    path = failed.document.path
    default_storage.save("documents/other", default_storage.open(path))  # The storage is there, its file is not.
    default_storage.delete(path)
    assert_problem(retry(alice, failed.id), 409, "task_document_gone")
    failed.document.delete()
    assert_problem(retry(alice, failed.id), 409, "task_document_gone")


def test_the_bounds_of_the_queue_hold(alice: Tenant, failed: Task) -> None:
    configuration.change({"max_waiting_per_key": 1}, author=None)
    assert post(alice).status_code == 200
    assert_problem(retry(alice, failed.id), 429, "too_many_waiting")
    failed.refresh_from_db()
    assert failed.status == Status.FAILED


def test_not_while_the_service_is_switched_off(alice: Tenant, failed: Task) -> None:
    configuration.change({"enabled": False}, author=None)
    assert_problem(retry(alice, failed.id), 503, "disabled")


def test_nobody_retries_without_a_key(alice: Tenant, failed: Task) -> None:
    client = alice.client
    client.credentials()
    assert client.post(f"/api/v2/tasks/{failed.id}/retry").status_code == 401


def test_another_key_of_the_same_user_cannot(alice: Tenant, failed: Task) -> None:
    """It would run on the budget, and with the models, of the key that sent it."""
    other = Tenant(alice.user, *untold_key(alice.user, "other"))
    assert_problem(retry(other, failed.id), 403, "other_key")
    failed.refresh_from_db()
    assert failed.status == Status.FAILED
