"""The service tells how it is: every dependency asked, and an answer in time whatever hangs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.db import OperationalError
from django.db.models.functions import Now
from django.utils import timezone

from modelsregistry.models import RegisteredModel
from modelsregistry.provisioning import provision
from processing.operations import health
from processing.operations.health import HealthReport
from processing.operations.probe import Probe
from processing.queue.models import WorkerHost
from processing.runtime import capacity, configuration
from processing.runtime.capacity import MemoryUsage
from processing.tasks.models import Status, Task

# Probes ask from threads of their own, which see only what is committed.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def asked_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(health, "PATIENCE", 20.0)
    monkeypatch.setattr(health, "memory_usage", lambda: MemoryUsage(50.0, 500.0, 1000.0))
    health.forget()
    yield
    health.forget()


@pytest.fixture
def working(db: None) -> None:
    """A service with a model and a worker."""
    provision({})
    now = timezone.now()
    WorkerHost.objects.create(host="one", pid=1, workers=2, max_concurrent=2, started_at=now, heartbeat_at=Now())


def asked() -> HealthReport:
    health.forget()
    return health.report()


def test_it_works(working: None) -> None:
    owner = User.objects.create_user("alice")
    for status in (Status.QUEUED, Status.QUEUED, Status.PROCESSING, Status.COMPLETED):
        Task.objects.create(owner=owner, prompt="?", model="local", filename="a.txt", file_size=1, status=status)
    report = asked()
    assert report.status == "healthy"
    assert set(report.services.values()) == {"healthy"}
    assert set(report.services) == {"database", "storage", "models", "workers", "api_v2"}
    assert report.details == {}
    assert (report.active_tasks, report.queue_length) == (1, 2)
    assert report.max_concurrent == capacity.effective_max_concurrent(configuration.current().parameters)
    assert report.is_serving


def test_a_worker_that_has_not_spoken_for_long_is_dead(working: None) -> None:
    WorkerHost.objects.update(heartbeat_at=Now() - timedelta(seconds=11))
    report = asked()
    assert (report.status, report.services["workers"]) == ("degraded", "unhealthy")
    assert report.is_serving


def test_without_any_worker_it_is_degraded(working: None) -> None:
    WorkerHost.objects.all().delete()
    assert asked().status == "degraded"


def test_without_a_model_it_is_degraded(working: None) -> None:
    RegisteredModel.objects.update(available=False)
    report = asked()
    assert (report.status, report.services["models"]) == ("degraded", "unhealthy")


@pytest.mark.parametrize(("percent", "status"), [(85.0, "healthy"), (85.1, "degraded")])
def test_full_memory_degrades(working: None, monkeypatch: pytest.MonkeyPatch, percent: float, status: str) -> None:
    monkeypatch.setattr(health, "memory_usage", lambda: MemoryUsage(percent, 1.0, 10.0))
    report = asked()
    assert report.status == status
    assert ("memory" in report.details) == (status == "degraded")


def test_switched_off_it_does_not_serve(working: None) -> None:
    configuration.change({"enabled": False}, author=None)
    report = asked()
    assert (report.status, report.services["api_v2"], report.is_serving) == ("unhealthy", "disabled", False)


def test_a_storage_that_cannot_be_written_degrades(
    working: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: Any) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(default_storage, "save", full)
    with caplog.at_level(logging.ERROR):
        report = asked()
        asked()
    assert (report.status, report.services["storage"]) == ("degraded", "unhealthy")
    assert "space" not in report.details["storage"]
    assert [record.probe for record in caplog.records] == ["storage"]  # told once, not at every look
    monkeypatch.undo()
    asked()


def test_the_storage_probe_leaves_nothing_behind(working: None) -> None:
    asked()
    folder = Path(default_storage.path("health"))
    assert not folder.exists() or not list(folder.iterdir())


def broken_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> Any:
        raise OperationalError("unable to open database file")

    monkeypatch.setattr(health._database, "_question", gone)


def test_without_a_database_it_does_not_serve(working: None, monkeypatch: pytest.MonkeyPatch) -> None:
    broken_database(monkeypatch)
    report = asked()
    assert (report.status, report.services["database"], report.is_serving) == ("unhealthy", "unhealthy", False)
    assert (report.active_tasks, report.queue_length) == (None, None)
    assert report.max_concurrent >= 1


@pytest.mark.parametrize("name", ["_database", "_storage", "_models", "_workers"])
def test_a_dependency_that_hangs_does_not_hang_the_answer(
    working: None, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    let_go = threading.Event()
    entered: list[int] = []

    def hang() -> Any:
        entered.append(1)
        let_go.wait()
        return False

    monkeypatch.setattr(health, "PATIENCE", 0.3)
    health.forget()
    monkeypatch.setattr(getattr(health, name), "_question", hang)
    try:
        for _ in range(3):
            report = health.report()
        assert report.services[name.removeprefix("_")] == "unhealthy"
        assert report.status == ("unhealthy" if name == "_database" else "degraded")
        assert len(entered) == 1  # one thread waits, however often anybody asks
    finally:
        let_go.set()


def test_answers_are_shared_while_they_are_fresh() -> None:
    calls: list[int] = []
    probe = Probe("one", lambda: calls.append(1), max_age=3600.0)
    assert probe.ask() is probe.ask()
    probe.ask().outcome(20.0)
    assert probe.ask().coming.done()
    assert len(calls) == 1


def test_an_answer_that_is_not_fresh_is_asked_for_anew() -> None:
    calls: list[int] = []
    probe = Probe("one", lambda: calls.append(1), max_age=0.0)
    probe.ask().outcome(20.0)
    probe.ask().outcome(20.0)
    assert len(calls) == 2


def test_bad_news_is_not_kept_and_good_news_is() -> None:
    answers: list[Any] = [OSError("gone"), False, True, False]

    def question() -> bool:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return bool(answer)

    probe = Probe("one", question, max_age=3600.0)
    assert [probe.ask().outcome(60.0) for _ in range(4)] == [None, False, True, True]


def test_a_service_whose_database_comes_back_says_so_at_once(working: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        for probe in (health._database, health._workers, health._models):
            patch.setattr(probe, "_question", away)
        assert asked().status == "unhealthy"
    report = health.report()
    assert (report.status, set(report.services.values())) == ("healthy", {"healthy"})


def away() -> Any:
    raise OperationalError("unable to open database file")


def test_nobody_waits_again_for_what_has_hung_for_long() -> None:
    let_go = threading.Event()
    probe = Probe("one", let_go.wait, max_age=0.0)
    try:
        assert probe.ask().outcome(0.01) is None
        assert probe.ask().outcome(0.01) is None  # at once: its patience ended before
    finally:
        let_go.set()
    assert probe.ask().outcome(20.0) is True
