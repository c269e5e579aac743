"""A task's page: what may be seen of it, what may be done with it, and the document behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from processing.access.models import AuditEntry
from processing.documents.models import StoredDocument
from processing.runtime import configuration
from processing.tasks import lifecycle
from processing.tasks.models import Status, Task
from tests.admin.conftest import RESULT, make_document, make_task

PROMPT = "What is the total?"


def page(client: Client, task: Task) -> str:
    return client.get(reverse("admin:processing_task_change", args=[task.pk])).content.decode()


def press(client: Client, verb: str, task: Task) -> Any:
    return client.post(reverse(f"admin:processing_task_{verb}", args=[task.pk]), follow=True)


def has_button(shown: str, verb: str, task: Task) -> bool:
    return f'action="{reverse(f"admin:processing_task_{verb}", args=[task.pk])}"' in shown


@pytest.fixture
def kept(document: StoredDocument) -> StoredDocument:
    """The document with its bytes."""
    document.path = default_storage.save("documents/test/kept", ContentFile(b"<script>alert(1)</script>"))
    document.save()
    return document


@pytest.fixture
def failed(kept: StoredDocument) -> Task:
    return make_task(kept, status=Status.FAILED, error_code="document_broken", completed_at=timezone.now())


def test_it_works(as_root: Client, document: StoredDocument) -> None:
    timings = {"read": 1.25, "generate": 2.5, "check": 0.004}
    result = {**RESULT, "processing_metadata": {"timings": timings}}
    task = make_task(
        document,
        status=Status.COMPLETED,
        result=result,
        completed_at=timezone.now(),
        past_attempts='{"host":"worker-9","pid":42,"started":"2026-01-01 10:00:00.5",'
        '"ended":"2026-01-01T10:00:03+00:00","ending":"lost","code":""}\n',
    )
    shown = page(as_root, task)

    assert "reading the document" in shown and "1.2 s" in shown and "2.5 s" in shown
    assert "worker-9" in shown and "lost: its worker died" in shown and ">42<" in shown
    assert "Analyze the provided document and answer: What is the total?" in shown


@pytest.mark.parametrize("timings", [None, [], {"read": "1"}, {"read": -1, "generate": 1e300}, {"read": True}, "x"])
def test_times_that_are_none_are_left_out(as_root: Client, document: StoredDocument, timings: Any) -> None:
    task = make_task(document, status=Status.COMPLETED, result={"processing_metadata": {"timings": timings}})

    assert "reading the document" not in page(as_root, task)


def test_the_prompt_is_shown_as_it_was_sent_then(as_root: Client, document: StoredDocument) -> None:
    revision = configuration.change({"default_prompt_template": "Then: {prompt}"}, author=None).revision
    task = make_task(document, configuration_revision=revision)
    configuration.change({"default_prompt_template": "Now: {prompt}"}, author=None)

    assert f"Then: {PROMPT}" in page(as_root, task)


def test_who_may_not_see_prompts_sees_none(staff: Callable[..., Client], task: Task) -> None:
    shown = page(staff("processing.view_task"), task)

    assert PROMPT not in shown
    assert RESULT["content"] in shown


def test_who_may_see_prompts_sees_them_unless_the_configuration_says_no(
    staff: Callable[..., Client], as_root: Client, task: Task
) -> None:
    reader = staff("processing.view_task", "processing.view_prompt")
    assert PROMPT in page(reader, task)

    configuration.change({"show_prompts": False}, author=None)

    assert PROMPT not in page(reader, task)
    assert PROMPT not in page(as_root, task)


@pytest.mark.parametrize(
    ("status", "buttons"),
    [
        ("queued", {"cancel"}),
        ("processing", {"cancel"}),
        ("completed", set()),
        ("failed", {"retry"}),
        ("cancelled", {"retry"}),
    ],
)
def test_only_what_applies_is_offered(as_root: Client, task: Task, status: str, buttons: set[str]) -> None:
    Task.objects.update(status=status)
    shown = page(as_root, task)

    assert {verb for verb in ("cancel", "retry") if has_button(shown, verb, task)} == buttons


def test_without_its_document_no_retry_is_offered(as_root: Client, failed: Task) -> None:
    Task.objects.update(document=None)

    assert not has_button(page(as_root, failed), "retry", failed)


def test_a_failed_task_is_tried_again(as_root: Client, failed: Task) -> None:
    answer = press(as_root, "retry", failed)

    failed.refresh_from_db()
    assert (failed.status, failed.error_code) == (Status.QUEUED, "")
    assert "1 task is tried again." in answer.content.decode()
    entry = AuditEntry.objects.get()
    assert (entry.door, entry.actor_name, entry.action, entry.target_id) == ("admin", "root", "retried", str(failed.id))


def test_a_waiting_task_is_cancelled(as_root: Client, document: StoredDocument) -> None:
    task = make_task(document, status=Status.QUEUED)
    press(as_root, "cancel", task)

    task.refresh_from_db()
    assert task.status == Status.CANCELLED
    assert AuditEntry.objects.get().action == "cancelled"


@pytest.mark.parametrize("verb", ["cancel", "retry"])
def test_a_button_needs_its_permission_a_post_and_a_task(
    staff: Callable[..., Client], as_root: Client, failed: Task, verb: str
) -> None:
    url = reverse(f"admin:processing_task_{verb}", args=[failed.pk])

    assert as_root.get(url).status_code == 405
    assert as_root.post(url.replace(str(failed.pk), "99999")).status_code == 404
    assert as_root.post(url.replace(str(failed.pk), "x")).status_code == 404
    assert Client().post(url).status_code == 302
    assert staff("processing.view_task").post(url).status_code == 403
    assert Client(enforce_csrf_checks=True).post(url).status_code in (302, 403)
    failed.refresh_from_db()
    assert failed.status == Status.FAILED


def test_a_button_without_a_csrf_token_does_nothing(root: Any, failed: Task) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(root)

    assert press(client, "retry", failed).status_code == 403


def test_many_are_tried_again_from_the_list_and_the_rest_is_told(
    as_root: Client, failed: Task, kept: StoredDocument
) -> None:
    done = make_task(kept, status=Status.COMPLETED)
    answer = as_root.post(
        "/admin/processing/task/", {"action": "retry", "_selected_action": [failed.pk, done.pk]}, follow=True
    ).content.decode()

    assert "1 task is tried again." in answer
    assert "1 task is not tried again: The task has been answered" in answer
    assert lifecycle.due().count() == 1


def test_the_bounds_of_the_queue_hold_for_the_staff_too(as_root: Client, failed: Task, kept: StoredDocument) -> None:
    make_task(kept, status=Status.QUEUED)
    configuration.change({"max_waiting": 1}, author=None)

    assert "Too many tasks are waiting." in press(as_root, "retry", failed).content.decode()


def download(client: Client, document: StoredDocument) -> Any:
    return client.get(reverse("admin:processing_storeddocument_download", args=[document.pk]))


def test_a_document_is_downloaded_and_never_shown(as_root: Client, kept: StoredDocument) -> None:
    StoredDocument.objects.update(filename='a"\r\n;<b>.html')
    answer = download(as_root, kept)

    assert b"".join(answer.streaming_content) == b"<script>alert(1)</script>"
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"].startswith("attachment;")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]
    assert "no-store" in answer["Cache-Control"]
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.target_kind, entry.target_id) == ("downloaded", "document", str(kept.id))


def test_who_may_not_download_does_not(staff: Callable[..., Client], kept: StoredDocument) -> None:
    clerk = staff("processing.view_storeddocument", "processing.view_task")

    assert download(clerk, kept).status_code == 403
    assert download(Client(), kept).status_code == 302
    assert not AuditEntry.objects.exists()


def test_bytes_that_are_gone_are_not_found(as_root: Client, owner: Any) -> None:
    assert download(as_root, make_document(owner, "other.pdf")).status_code == 404
