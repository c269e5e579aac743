"""The first page tells at a glance how the service is doing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from processing.documents.models import StoredDocument
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
