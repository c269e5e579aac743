"""What was read or answered once is used again where nothing has changed, and for its owner alone."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from modelsregistry import generation
from modelsregistry.contract import GenerationRequest, GenerationResult, Passage, Usage
from modelsregistry.errors import ModelOverloaded
from modelsregistry.models import Provider, RegisteredModel
from processing.documents.models import StoredDocument
from processing.pipeline import cache, read
from processing.pipeline.models import CachedResult
from processing.queue import retention, worker
from processing.runtime import configuration
from processing.runtime.configuration import current
from processing.tasks import losses
from processing.tasks.models import Status, Task
from tests import samples
from tests.conftest import Tenant
from tests.queue.conftest import Ask, ask

__all__ = ["ask"]  # the fixture
pytestmark = pytest.mark.django_db(transaction=True)


class Work:
    """Counts what was really done, and answers with the count."""

    def __init__(self) -> None:
        self.readings = 0
        self.requests: list[GenerationRequest] = []
        self.result: dict[str, Any] = {}

    def generate(self, request: GenerationRequest, *_: Any, **__: Any) -> GenerationResult:
        self.requests.append(request)
        given: dict[str, Any] = {
            "text": f"108.00, and this is answer {len(self.requests)}.",
            "model": "local",
            "usage": Usage(11, 7),
            "passages": (Passage(1, "Total amount due: 108.00 EUR", 0.9),),
            "details": {"tries": 2, "provider": "Built-in"},
            "cost": Decimal("0.25"),
        }
        return GenerationResult(**{**given, **self.result})

    @property
    def done(self) -> tuple[int, int]:
        return self.readings, len(self.requests)


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    counted = Work()
    really = read.read

    def reading(*arguments: Any) -> Any:
        counted.readings += 1
        return really(*arguments)

    monkeypatch.setattr(read, "read", reading)
    monkeypatch.setattr(generation, "generate", counted.generate)
    monkeypatch.setattr(samples, "pdf", functools.cache(samples.pdf))  # Each one made holds the time.
    return counted


def ended(task: Task) -> Task:
    worker.work()
    task.refresh_from_db()
    return task


def completed(task: Task) -> dict[str, Any]:
    task = ended(task)
    assert task.status == Status.COMPLETED, task.error
    result: dict[str, Any] = task.result or {}
    return result


def marked(result: dict[str, Any]) -> Any:
    return result["processing_metadata"]["cache"]


def aged(span: timedelta) -> None:
    CachedResult.objects.update(created_at=timezone.now() - span)


def test_it_works(ask: Ask, work: Work) -> None:
    first, task = completed(ask()), ask()
    second = completed(task)
    assert work.done == (1, 1)
    assert (marked(first), marked(second), task.cache) == (None, "model", "model")
    assert second["content"] == first["content"] == "108.00, and this is answer 1."
    assert second["citations"] == first["citations"] != []
    assert second["file_info"] == first["file_info"]
    usage = second["processing_metadata"]["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["cost"]) == (0, 0, 0.0)
    assert (task.input_tokens, task.output_tokens, task.cost) == (0, 0, Decimal(0))
    assert second["processing_metadata"]["model_details"] == {"provider": "Built-in"}


def test_what_was_seen_is_kept_too(ask: Ask, work: Work) -> None:
    RegisteredModel.objects.update(vision=True)
    completed(ask(vision_mode="force_vision"))
    completed(ask(vision_mode="force_vision", temperature=0.5))
    shown, shown_again = (request.pages for request in work.requests)
    assert work.readings == 1
    assert shown == shown_again
    assert shown[0].image is not None


def test_another_question_is_answered_from_the_same_reading(ask: Ask, work: Work) -> None:
    completed(ask())
    other = ask()
    Task.objects.filter(pk=other.pk).update(prompt="And who is to pay it?")
    assert marked(completed(other)) == "reading"
    assert work.done == (1, 2)
    assert other.cache == "reading"


def test_a_stranger_gets_nothing_of_it(ask: Ask, work: Work, mallory: Tenant) -> None:
    completed(ask())
    theirs = ask()
    Task.objects.filter(pk=theirs.pk).update(owner=mallory.user)
    StoredDocument.objects.update(owner=mallory.user)
    assert marked(completed(theirs)) is None
    assert work.done == (2, 2)


@pytest.mark.parametrize("name", ["upstream_id", "temperature", "max_tokens", "refused_fields", "vision"])
def test_another_model_row_is_asked_anew(ask: Ask, work: Work, name: str) -> None:
    value = {"upstream_id": "x", "temperature": 0.1, "max_tokens": 9, "refused_fields": ["a"], "vision": True}[name]
    completed(ask())
    RegisteredModel.objects.update(**{name: value})
    completed(ask())
    assert len(work.requests) == 2


def changed_options(provider: Provider) -> None:
    provider.options = {"any": "thing"}


def changed_address(provider: Provider) -> None:
    provider.base_url = "http://127.0.0.1:9"


def changed_secret(provider: Provider) -> None:
    provider.secret = "sk-another-account"


def changed_headers(provider: Provider) -> None:
    provider.headers = {"X-Tenant": "other"}


@pytest.mark.parametrize("change", [changed_options, changed_address, changed_secret, changed_headers])
def test_another_provider_is_asked_anew(ask: Ask, work: Work, change: Callable[[Provider], None]) -> None:
    completed(ask())
    for provider in Provider.objects.all():
        change(provider)
        provider.save()
    completed(ask())
    assert work.done == (1, 2)


def test_how_a_provider_fares_and_what_it_costs_changes_nothing(ask: Ask, work: Work) -> None:
    completed(ask())
    RegisteredModel.objects.update(input_price=3, reason="probed", description="new words")
    Provider.objects.update(consecutive_failures=1, probed_at=timezone.now(), stall_timeout=7)
    completed(ask())
    assert work.done == (1, 1)


@pytest.mark.parametrize("options", [{"temperature": 0.5}, {"max_tokens": 77}])
def test_other_settings_are_another_question(ask: Ask, work: Work, options: dict[str, Any]) -> None:
    completed(ask())
    completed(ask(**options))
    assert work.done == (1, 2)


def test_other_bytes_are_another_document(ask: Ask, work: Work) -> None:
    completed(ask(samples.pdf("one")))
    completed(ask(samples.pdf("two")))
    assert work.done == (2, 2)


def test_the_caller_may_want_it_anew(ask: Ask, work: Work) -> None:
    completed(ask())
    anew = completed(ask(skip_cache=True))
    assert (marked(anew), work.done) == (None, (2, 2))
    later = completed(ask())
    assert (marked(later), later["content"]) == ("model", anew["content"])


def test_time_passes(ask: Ask, work: Work) -> None:
    completed(ask())
    aged(timedelta(seconds=3601))
    assert marked(completed(ask())) == "reading"
    aged(timedelta(seconds=7201))
    assert marked(completed(ask())) is None
    assert work.done == (2, 3)
    assert CachedResult.objects.count() == 2


def test_a_shorter_time_holds_for_what_is_there(ask: Ask, work: Work, settings: Any) -> None:
    completed(ask())
    aged(timedelta(seconds=30))
    settings.VARIABLES = {**settings.VARIABLES, "MODEL_CACHE_TTL": "10"}
    configuration.forget()
    assert marked(completed(ask())) == "reading"
    assert work.done == (1, 2)


@pytest.mark.parametrize(
    ("variables", "done"),
    [
        ({"ENABLE_MODEL_CACHE": "false"}, (1, 2)),
        ({"ENABLE_PROCESSING_CACHE": "false"}, (2, 1)),
        ({"ENABLE_MODEL_CACHE": "false", "ENABLE_PROCESSING_CACHE": "false"}, (2, 2)),
    ],
)
def test_each_can_be_switched_off(
    ask: Ask, work: Work, settings: Any, variables: dict[str, str], done: tuple[int, int]
) -> None:
    settings.VARIABLES = {**settings.VARIABLES, **variables}
    completed(ask())
    completed(ask())
    assert work.done == done
    assert CachedResult.objects.count() == 2 - len(variables)


@pytest.mark.parametrize(
    "unfit",
    [
        {"finish_reason": "length"},
        {"finish_reason": "content_filter"},
        {"finish_reason": "refusal"},
        {"details": {"fallbacks": [{"model": "other", "code": "provider_open"}]}},
    ],
)
def test_an_answer_that_another_try_may_better_is_not_kept(ask: Ask, work: Work, unfit: dict[str, Any]) -> None:
    work.result = unfit
    completed(ask())
    work.result = {}
    assert marked(completed(ask())) == "reading"
    assert work.done == (1, 2)


def test_an_answer_of_nothing_is_not_kept(ask: Ask, work: Work) -> None:
    work.result = {"text": " "}
    assert ended(ask()).error_code == "empty_answer"
    work.result = {}
    completed(ask())


def test_what_failed_is_tried_by_the_next(ask: Ask, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    def overloaded(*_: Any, **__: Any) -> None:
        raise ModelOverloaded("Busy.", "overloaded", retry_after=60)

    with monkeypatch.context() as patch:
        patch.setattr(generation, "generate", overloaded)
        assert ended(ask()).status == Status.QUEUED
    assert marked(completed(ask())) == "reading"
    assert work.done == (1, 1)


@pytest.mark.parametrize("content", [b"", b"not zlib", zlib.compress(b"not JSON"), zlib.compress(b'{"pages": [[1]]}')])
def test_broken_content_is_made_anew(ask: Ask, work: Work, content: bytes) -> None:
    completed(ask())
    CachedResult.objects.update(content=content)
    assert marked(completed(ask())) is None
    assert marked(completed(ask())) == "model"
    assert work.done == (2, 2)


@pytest.mark.parametrize("broken", ["", "INSERT", "UPDATE"])
def test_a_cache_that_fails_fails_no_task(ask: Ask, work: Work, broken: str) -> None:
    def refuse(execute: Any, sql: str, *arguments: Any) -> Any:
        if CachedResult._meta.db_table in sql and sql.startswith(broken):
            raise OperationalError("the disk is full")
        return execute(sql, *arguments)

    with connection.execute_wrapper(refuse):
        completed(ask())
        completed(ask())
    assert work.done == (2, 2)
    assert not CachedResult.objects.filter(content__isnull=False).exists()


def test_pictures_that_take_too_much_room_are_not_kept(ask: Ask, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MAX_BYTES", 10)
    completed(ask())
    completed(ask())
    assert work.done == (2, 2)


def test_copies_go_with_the_document(ask: Ask, work: Work) -> None:
    task = ask()
    completed(task)
    assert task.document is not None
    assert CachedResult.objects.count() == 2
    assert retention.erase_if_idle(task.document.pk)
    assert not CachedResult.objects.exists()


def test_copies_go_with_their_owner(ask: Ask, work: Work, alice: Tenant) -> None:
    completed(ask())
    alice.user.delete()
    assert not CachedResult.objects.exists()


def test_what_is_forgotten_while_it_is_made_is_not_kept(ask: Ask, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(request: GenerationRequest, *_: Any, **__: Any) -> GenerationResult:
        CachedResult.objects.all().delete()
        return work.generate(request)

    monkeypatch.setattr(generation, "generate", forgetful)
    completed(ask())
    assert not CachedResult.objects.exists()


def test_nothing_of_the_document_is_logged(ask: Ask, work: Work, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    completed(ask())
    CachedResult.objects.update(content=zlib.compress(b'{"text": "secret-canary"'))
    completed(ask())
    assert {"cache miss", "cached content is broken"} <= {record.message for record in caplog.records}
    assert "108.00" not in caplog.text
    assert "secret-canary" not in caplog.text


def test_upkeep_takes_the_old_and_the_oldest(ask: Ask, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    completed(ask(samples.pdf("one")))
    aged(timedelta(hours=5))
    completed(ask(samples.pdf("two")))
    young = set(CachedResult.objects.order_by("-created_at").values_list("pk", flat=True)[:2])
    parameters = current().parameters
    assert retention.delete_cached(parameters) == 0
    total = sum(len(row.content or b"") for row in CachedResult.objects.filter(pk__in=young))
    monkeypatch.setattr(retention, "BYTES_PER_MB", total)
    assert retention.delete_cached(parameters.model_copy(update={"cache_max_mb": 1})) == 2
    assert set(CachedResult.objects.values_list("pk", flat=True)) == young
    CachedResult.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert retention.delete_cached(parameters) == 2


def test_upkeep_leaves_alone_what_is_being_made(ask: Ask, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    completed(ask())
    later = timezone.now() + timedelta(minutes=1)
    CachedResult.objects.update(expires_at=timezone.now() - timedelta(seconds=1), computing_until=later)
    assert retention.delete_cached(current().parameters) == 0
    assert losses.reap() == 0
