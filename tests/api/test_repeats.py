"""What is sent again is done once: under an Idempotency-Key, and within moments without one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.db.models import F
from django.utils import timezone

from modelsregistry.provisioning import provision
from processing.access import idempotency
from processing.access.audit import SERVICE
from processing.access.models import IdempotencyKey
from processing.api import process
from processing.documents.models import StoredDocument
from processing.operations import erasure
from processing.queue import submit
from processing.runtime import configuration
from processing.tasks import lifecycle
from processing.tasks.models import Status, Task
from tests import samples
from tests.conftest import Tenant, tenant

PROMPT = "What is the total amount?"
KEY = "order-17"
INVOICE = samples.pdf()  # which says when it was made


def post(who: Tenant, key: str | None = None, url: str = "/api/v2/process", **fields: Any) -> Any:
    fields = {"file": SimpleUploadedFile("invoice.pdf", INVOICE), "prompt": PROMPT, "model": "local"} | fields
    headers = {} if key is None else {"Idempotency-Key": key}
    return who.client.post(url, fields, format="multipart", headers=headers)


def code(response: Any) -> tuple[int, str]:
    return response.status_code, response.json().get("code")


@pytest.mark.django_db
class TestKeys:
    def test_it_works(self, alice: Tenant) -> None:
        first, second = post(alice, KEY), post(alice, KEY)
        assert first.status_code == second.status_code == 200
        assert first.json() == second.json()
        assert "Idempotency-Replayed" not in first
        assert second["Idempotency-Replayed"] == "true"
        assert Task.objects.count() == 1

    def test_another_content_is_refused(self, alice: Tenant) -> None:
        post(alice, KEY)
        for other in (
            {"prompt": "Who sent it, and when?"},
            {"temperature": "0"},
            {"file": SimpleUploadedFile("a.txt", b"x")},
        ):
            assert code(post(alice, KEY, **other)) == (422, "idempotency_mismatch")
        assert code(post(alice, KEY, url="/api/v2/upload")) == (422, "idempotency_mismatch")
        assert Task.objects.count() == StoredDocument.objects.count() == 1

    def test_a_strangers_key_is_another(self, alice: Tenant, mallory: Tenant) -> None:
        first, second = post(alice, KEY).json(), post(mallory, KEY).json()
        assert first["task_id"] != second["task_id"]
        assert {task.owner for task in Task.objects.all()} == {alice.user, mallory.user}

    @pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "größe"])
    def test_a_key_that_is_none_is_refused(self, alice: Tenant, key: str) -> None:
        assert code(post(alice, key)) == (422, "invalid_idempotency_key")
        assert not Task.objects.exists()

    def test_what_was_refused_is_not_kept(self, alice: Tenant) -> None:
        assert post(alice, KEY, model="none").status_code == 422
        assert not IdempotencyKey.objects.exists()
        assert post(alice, KEY).status_code == 200

    def test_two_keys_are_two_requests(self, alice: Tenant) -> None:
        assert post(alice, "one").json()["task_id"] != post(alice, "two").json()["task_id"]

    def test_it_is_answered_though_the_queue_is_full(self, alice: Tenant) -> None:
        first = post(alice, KEY)
        configuration.change({"max_waiting_per_key": 1}, author=None)
        assert code(post(alice, "another")) == (429, "too_many_waiting")
        assert post(alice, KEY).json() == first.json()

    def test_uploads_are_replayed(self, alice: Tenant) -> None:
        first, second = (post(alice, KEY, url="/api/v2/upload") for _ in range(2))
        assert (first.status_code, second.status_code) == (201, 201)
        assert first.json() == second.json()
        assert second["Idempotency-Replayed"] == "true"

    def test_one_in_flight_is_waited_for(self, alice: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
        seen = []

        def meanwhile(*arguments: Any) -> Any:
            if not seen:
                seen.append(post(alice, KEY))
            return submit.submit(*arguments)

        monkeypatch.setattr(process, "submit", meanwhile)
        assert post(alice, KEY).status_code == 200
        assert code(seen[0]) == (409, "idempotency_in_flight")
        assert seen[0]["Retry-After"] == "1"

    def test_one_that_died_before_its_task_frees_the_key(self, alice: Tenant) -> None:
        first = post(alice, KEY).json()
        IdempotencyKey.objects.update(reply=None, status=None, task=None, leased_until=timezone.now() + timedelta(60))
        assert code(post(alice, KEY)) == (409, "idempotency_in_flight")
        IdempotencyKey.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
        assert post(alice, KEY).json()["task_id"] != first["task_id"]

    def test_one_that_died_after_its_task_is_answered_from_the_task(self, alice: Tenant) -> None:
        first = post(alice, KEY).json()
        IdempotencyKey.objects.update(reply=None, status=None, leased_until=timezone.now() - timedelta(seconds=1))
        again = post(alice, KEY)
        assert again["Idempotency-Replayed"] == "true"
        assert again.json() == first
        assert Task.objects.count() == 1

    def test_who_lost_the_key_on_the_way_writes_no_task(self, alice: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its lease ran out and another holds the key: its own transaction comes to nothing."""

        def late(*arguments: Any) -> Any:
            IdempotencyKey.objects.update(token="00000000-0000-4000-8000-000000000000")
            return submit.submit(*arguments)

        monkeypatch.setattr(process, "submit", late)
        assert code(post(alice, KEY)) == (409, "idempotency_in_flight")
        assert not Task.objects.exists()
        assert IdempotencyKey.objects.exists()

    def test_after_a_day_it_is_another_request(self, alice: Tenant) -> None:
        first = post(alice, KEY).json()
        IdempotencyKey.objects.update(expires_at=F("expires_at") - idempotency.KEPT - timedelta(seconds=1))
        assert post(alice, KEY, prompt="Who sent it, and when?").json()["task_id"] != first["task_id"]

    def test_old_keys_are_deleted(self, alice: Tenant) -> None:
        post(alice, KEY)
        assert idempotency.delete_expired() == 0
        IdempotencyKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        assert idempotency.delete_expired() == 1
        assert not IdempotencyKey.objects.exists()

    def test_nothing_is_kept_of_what_is_erased(self, alice: Tenant) -> None:
        task = post(alice, KEY).json()["task_id"]
        post(alice, "upload", url="/api/v2/upload")
        assert IdempotencyKey.objects.count() == 2
        assert alice.client.delete(f"/api/v2/tasks/{task}?erase=true").status_code == 204
        assert not IdempotencyKey.objects.exists()

    def test_an_owner_is_erased_with_their_keys(self, alice: Tenant) -> None:
        post(alice, KEY)
        erasure.erase_owner(alice.user, SERVICE, keep_user=True)
        assert not IdempotencyKey.objects.exists()


@pytest.mark.django_db
class TestWithoutKeys:
    def test_it_works(self, alice: Tenant) -> None:
        first, second = post(alice).json(), post(alice).json()
        assert (first["deduplicated"], second["deduplicated"]) == (False, True)
        assert second["task_id"] == first["task_id"]
        assert "dedupe=false" in second["message"]
        assert Task.objects.count() == 1

    @pytest.mark.parametrize(
        "other",
        [
            {"dedupe": "false"},
            {"prompt": "Who sent it, and when?"},
            {"temperature": "0"},
            {"unknown": "x"},
            {"file": SimpleUploadedFile("other.pdf", INVOICE)},
            {"file": SimpleUploadedFile("invoice.pdf", samples.pdf("Other words"))},
        ],
        ids=str,
    )
    def test_another_request_is_another_task(self, alice: Tenant, other: dict[str, Any]) -> None:
        assert post(alice).json()["task_id"] != post(alice, **other).json()["task_id"]

    def test_by_file_id(self, alice: Tenant) -> None:
        file_id = post(alice, url="/api/v2/upload").json()["file_id"]
        fields = {"file_id": file_id, "prompt": PROMPT, "model": "local"}
        first, second = (alice.client.post("/api/v2/process", fields, format="multipart").json() for _ in range(2))
        assert second["task_id"] == first["task_id"]

    def test_another_key_of_the_same_user_asks_for_itself(self, alice: Tenant) -> None:
        first = post(alice).json()
        Task.objects.update(api_key=None)
        client = alice.client
        client.credentials()
        client.force_authenticate(alice.user)
        fields = {"file": SimpleUploadedFile("invoice.pdf", INVOICE), "prompt": PROMPT, "model": "local"}
        assert client.post("/api/v2/process", fields, format="multipart").json()["task_id"] != first["task_id"]

    def test_a_stranger_gets_a_task_of_their_own(self, alice: Tenant, mallory: Tenant) -> None:
        assert post(alice).json()["task_id"] != post(mallory).json()["task_id"]

    def test_after_half_a_minute_it_is_meant(self, alice: Tenant) -> None:
        first = post(alice).json()
        Task.objects.update(created_at=F("created_at") - submit.REPEATED_WITHIN - timedelta(seconds=1))
        assert post(alice).json()["task_id"] != first["task_id"]

    @pytest.mark.parametrize("status", [Status.FAILED, Status.CANCELLED])
    def test_what_failed_or_was_cancelled_is_begun_anew(self, alice: Tenant, status: str) -> None:
        first = post(alice).json()
        Task.objects.update(status=status)
        assert post(alice).json()["task_id"] != first["task_id"]

    def test_what_was_answered_already_is_told_so(self, alice: Tenant) -> None:
        first = post(alice).json()
        Task.objects.update(status=Status.COMPLETED)
        second = post(alice).json()
        assert (second["task_id"], second["status"]) == (first["task_id"], "completed")

    def test_an_erased_task_is_not_found_again(self, alice: Tenant) -> None:
        first = post(alice).json()
        lifecycle.cancel(alice.user.pk, Task.objects.get().id)
        alice.client.delete(f"/api/v2/tasks/{first['task_id']}?erase=true")
        assert post(alice).json()["task_id"] != first["task_id"]


def crowd(size: int, ask: Callable[[int], Any]) -> list[Any]:
    """What so many threads get that ask at once, each with a connection of its own."""
    gate, replies = threading.Barrier(size), []

    def run(number: int) -> None:
        try:
            connection.ensure_connection()
            gate.wait()
            replies.append(ask(number))
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return replies


@pytest.fixture
def hasty(db: None) -> Tenant:
    """One whose calls are not limited."""
    provision({})
    limits = {"per_minute": 10_000, "uploads_per_minute": 10_000}
    configuration.change({"rate_limits": limits}, author=None)
    return tenant("hasty")


@pytest.mark.django_db(transaction=True)
def test_fifty_at_once_under_one_key_are_one_task(hasty: Tenant) -> None:
    replies = crowd(50, lambda _: post(hasty, KEY))
    assert {code(reply) for reply in replies} <= {(200, None), (409, "idempotency_in_flight")}
    assert len({reply.json()["task_id"] for reply in replies if reply.status_code == 200}) == 1
    assert Task.objects.count() == 1
    assert post(hasty, KEY).json()["task_id"] == str(Task.objects.get().id)


@pytest.mark.django_db(transaction=True)
def test_twenty_at_once_without_a_key_are_one_task(hasty: Tenant) -> None:
    replies = crowd(20, lambda _: post(hasty))
    assert {reply.status_code for reply in replies} == {200}
    assert len({reply.json()["task_id"] for reply in replies}) == 1
    assert sorted(reply.json()["deduplicated"] for reply in replies) == [False] + [True] * 19
