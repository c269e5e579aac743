"""What is erased is gone: from the tables, from the storage, from the database's files; and nothing brings it back."""

from __future__ import annotations

import functools
import threading
import uuid
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from modelsregistry import generation
from processing.access.models import ApiKey, AuditEntry
from processing.documents import disposal
from processing.documents.models import StoredDocument
from processing.errors import NotFound
from processing.operations import erasure
from processing.pipeline import read
from processing.pipeline.models import CachedResult
from processing.queue import worker
from processing.tasks import lifecycle, losses
from processing.tasks.models import Status, Task
from tests import samples
from tests.conftest import Tenant
from tests.queue.conftest import Ask, ask

__all__ = ["ask"]  # the fixture
pytestmark = pytest.mark.django_db(transaction=True)
CANARY = "canary-4417"


def worked_on(task: Task) -> Task:
    assert worker.work()
    task.refresh_from_db()
    return task


def erase(tenant: Tenant, task: Task) -> Any:
    return tenant.client.delete(f"/api/v2/tasks/{task.id}?erase=true")


def stored_files() -> list[str]:
    return [file.path for file in disposal.stored()]


def nothing_is_left() -> bool:
    left = [model.objects.count() for model in (Task, StoredDocument, CachedResult)]
    return not any(left) and stored_files() == []


def in_the_middle(monkeypatch: pytest.MonkeyPatch, room: Any, name: str, act: Callable[[], Any]) -> None:
    """Let `act` happen, in a thread with a connection of its own, right before `room.name` is called for the first
    time."""
    really, acted = getattr(room, name), threading.Event()

    def elsewhere() -> None:
        act()
        connection.close()

    def before(*arguments: Any, **named: Any) -> Any:
        if not acted.is_set():
            acted.set()
            other = threading.Thread(target=elsewhere)
            other.start()
            other.join()
        return really(*arguments, **named)

    monkeypatch.setattr(room, name, before)


@pytest.fixture(autouse=True)
def empty_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "pdf", functools.cache(samples.pdf))  # Each one made holds the time.
    for path in stored_files():
        default_storage.delete(path)


def test_it_works(ask: Ask, alice: Tenant) -> None:
    task = worked_on(ask(samples.pdf(f"Total amount due: 108.00 EUR {CANARY}")))
    assert task.status == Status.COMPLETED
    assert stored_files() != []
    assert CachedResult.objects.count() == 2
    assert is_in_a_file_of_the_service(CANARY) == (connection.vendor == "sqlite")

    response = erase(alice, task)

    assert (response.status_code, response.content) == (204, b"")
    assert nothing_is_left()
    assert not is_in_a_file_of_the_service(CANARY)
    assert alice.client.get(f"/api/v2/status/{task.id}").json()["code"] == "task_not_found"
    assert erase(alice, task).status_code == 404


def is_in_a_file_of_the_service(text: str) -> bool:
    """In any file below the data directory, the database's and its write-ahead log included."""
    directory = Path(settings.DATA_DIR)
    return any(text.encode() in each.read_bytes() for each in directory.rglob("*") if each.is_file())


def test_the_audit_tells_who_and_not_what(ask: Ask, alice: Tenant) -> None:
    task = worked_on(ask())
    document = str(task.document_id)
    erase(alice, task)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.target_kind, entry.target_id) == ("erased", "task", str(task.id))
    assert (entry.actor_name, entry.actor_key, entry.door) == ("alice", alice.key.prefix, "api")
    assert entry.request_id
    assert entry.changes == {"document": document}
    assert "invoice" not in str(entry.__dict__)


def test_a_stranger_erases_nothing(ask: Ask, alice: Tenant, mallory: Tenant) -> None:
    task = worked_on(ask())
    assert erase(mallory, task).status_code == 404
    assert mallory.client.delete(f"/api/v2/upload/{task.document_id}").status_code == 404
    assert Task.objects.filter(pk=task.pk).exists()
    assert stored_files() != []
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("sent", ["perhaps", "2", "null"])
def test_a_word_that_is_no_answer_erases_nothing(ask: Ask, alice: Tenant, sent: str) -> None:
    task = ask()
    response = alice.client.delete(f"/api/v2/tasks/{task.id}?erase={sent}")
    assert (response.status_code, list(response.json()["errors"])) == (422, ["erase"])
    task.refresh_from_db()
    assert task.status == Status.QUEUED


@pytest.mark.parametrize("sent", ["", "?erase=false"])
def test_without_the_word_a_finished_task_stays(ask: Ask, alice: Tenant, sent: str) -> None:
    task = worked_on(ask())
    response = alice.client.delete(f"/api/v2/tasks/{task.id}{sent}")
    assert (response.status_code, response.json()["code"]) == (400, "task_finished")
    assert Task.objects.filter(pk=task.pk).exists()


def test_a_waiting_task_never_begins(ask: Ask, alice: Tenant) -> None:
    erase(alice, ask())
    assert nothing_is_left()
    assert not worker.work()
    assert list(AuditEntry.objects.order_by("id").values_list("action", flat=True)) == ["cancelled", "erased"]


@pytest.mark.parametrize(("room", "name"), [(read, "read"), (generation, "generate"), (lifecycle, "complete")])
def test_a_running_task_leaves_nothing_wherever_it_was(
    ask: Ask, alice: Tenant, monkeypatch: pytest.MonkeyPatch, room: Any, name: str
) -> None:
    """Its worker may go on for a moment, and may even come to its end: it finds its claim void."""
    task = ask()
    in_the_middle(monkeypatch, room, name, lambda: erase(alice, task))
    assert worker.work()
    assert nothing_is_left()


@pytest.mark.parametrize("verb", ["complete", "fail", "release", "progress", "heartbeat"])
def test_a_late_writer_brings_nothing_back(ask: Ask, alice: Tenant, verb: str) -> None:
    task = ask()
    claim = lifecycle.claim("host", 1, 1)
    assert claim is not None
    erase(alice, task)
    arguments: dict[str, tuple[Any, ...]] = {
        "complete": (lifecycle.Outcome({"content": CANARY}, "local", 1, 1, 1, None),),
        "fail": (NotFound("x", "y"),),
        "progress": (50.0, CANARY),
    }
    assert not getattr(lifecycle, verb)(claim, *arguments.get(verb, ()))
    losses.reap()
    assert nothing_is_left()


def test_other_tasks_of_the_document_are_told(ask: Ask, alice: Tenant) -> None:
    """The document is gone for them, too: whoever has an answer keeps it, whoever waits ends and says why."""
    answered, erased, waiting = worked_on(ask()), ask(), ask()
    assert answered.document_id == erased.document_id == waiting.document_id

    erase(alice, erased)

    answered.refresh_from_db()
    waiting.refresh_from_db()
    assert (answered.status, answered.document_id) == (Status.COMPLETED, None)
    assert answered.result is not None
    assert (waiting.status, waiting.error_code) == (Status.FAILED, "document_gone")
    assert stored_files() == []
    assert not CachedResult.objects.exists()


def test_another_task_at_work_on_the_document_keeps_no_copy_of_it(
    ask: Ask, alice: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, erased = ask(), ask()
    in_the_middle(monkeypatch, generation, "generate", lambda: erase(alice, erased))
    worker.work()
    running.refresh_from_db()
    assert running.status == Status.COMPLETED
    assert not CachedResult.objects.exists()
    assert stored_files() == []


def test_the_same_bytes_of_another_owner_stay(ask: Ask, alice: Tenant, mallory: Tenant) -> None:
    task = ask()
    mine = mallory.client.post("/api/v2/upload", {"file": SimpleUploadedFile("a.pdf", read_all(task))}).json()
    erase(alice, task)
    assert StoredDocument.objects.get().pk == uuid.UUID(mine["file_id"])
    assert len(stored_files()) == 1


def read_all(task: Task) -> bytes:
    assert task.document is not None
    with default_storage.open(task.document.path) as file:
        content: bytes = file.read()
    return content


def test_a_file_cannot_be_asked_about_once_it_is_erased(ask: Ask, alice: Tenant) -> None:
    file_id = alice.client.post(
        "/api/v2/upload", {"file": SimpleUploadedFile("a.txt", b"The total is 12 euros.")}
    ).json()["file_id"]
    assert alice.client.delete(f"/api/v2/upload/{file_id}").status_code == 204
    assert nothing_is_left()
    response = alice.client.post("/api/v2/process", {"file_id": file_id, "prompt": "What is the total?"})
    assert (response.status_code, response.json()["code"]) == (404, "file_not_found")
    assert alice.client.delete(f"/api/v2/upload/{file_id}").json()["code"] == "file_not_found"


def test_an_owner_goes_with_all_that_is_theirs(ask: Ask, alice: Tenant, mallory: Tenant) -> None:
    worked_on(ask())
    ask(samples.pdf("another"))
    browser = Client()
    browser.force_login(alice.user)
    mallory.client.post("/api/v2/upload", {"file": SimpleUploadedFile("m.txt", b"mallory's own")})
    name = alice.user.get_username()

    told = command(name, "--yes")

    assert not User.objects.filter(username=name).exists()
    assert ApiKey.objects.get() == mallory.key
    assert not Task.objects.exists()
    assert not CachedResult.objects.exists()
    assert StoredDocument.objects.get().owner == mallory.user
    assert len(stored_files()) == 1
    for words in ("2 tasks", "2 documents", "2 cached results", "1 API keys", "1 users", "1 sessions", " bytes"):
        assert words in told
    entry = AuditEntry.objects.latest("id")
    assert (entry.action, entry.target_kind, entry.target_name, entry.door) == ("erased", "user", name, "command")
    assert entry.changes["tasks"] == 2


def command(*arguments: str) -> str:
    out = StringIO()
    call_command("erase_owner", *arguments, stdout=out)
    return out.getvalue()


def test_an_owner_may_stay_without_what_was_theirs(ask: Ask, alice: Tenant) -> None:
    worked_on(ask())
    command("alice", "--yes", "--keep-user")
    assert nothing_is_left()
    assert alice.client.get("/api/v2/tasks").json()["results"] == []
    assert alice.client.post("/api/v2/upload", {"file": SimpleUploadedFile("a.txt", b"new")}).status_code == 201


def test_an_owner_is_erased_while_they_work(ask: Ask, alice: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    ask()
    in_the_middle(monkeypatch, generation, "generate", lambda: command("alice", "--yes"))
    assert worker.work()
    assert nothing_is_left()
    assert not User.objects.filter(username="alice").exists()


def test_files_that_no_row_knows_go_with_their_owner(ask: Ask, alice: Tenant) -> None:
    ask()
    Task.objects.all().delete()
    StoredDocument.objects.all().delete()  # as where a process was killed between the row and the bytes
    assert stored_files() != []
    command("alice", "--yes")
    assert stored_files() == []


def test_many_rows_go_too(alice: Tenant) -> None:
    columns = {"prompt": "?", "model": "local", "filename": "a.txt", "file_size": 1, "file_type": "t"}
    Task.objects.bulk_create(
        Task(owner=alice.user, status=Status.COMPLETED if number % 2 else Status.QUEUED, **columns)
        for number in range(250)
    )
    assert erasure.erase_owner(alice.user, erasure.audit.COMMAND)["tasks"] == 250
    assert not Task.objects.exists()


def test_nobody_is_erased_by_mistake(alice: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda _: "yes")
    with pytest.raises(CommandError, match="Nothing was erased"):
        command("alice")
    with pytest.raises(CommandError, match="There is no user 'bob'"):
        command("bob", "--yes")
    monkeypatch.setattr("builtins.input", lambda _: "alice")
    command("alice")
    assert not User.objects.filter(username="alice").exists()


def test_the_last_administrator_stays(alice: Tenant) -> None:
    User.objects.filter(pk=alice.user.pk).update(is_superuser=True)
    with pytest.raises(CommandError, match="only administrator"):
        command("alice", "--yes")
    alice.user.refresh_from_db()
    assert alice.user.is_active
