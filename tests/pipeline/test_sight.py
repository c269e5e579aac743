"""Where recognition is not installed, a model that reads text alone is not asked about pictures."""

from __future__ import annotations

from typing import Any

import pytest

from modelsregistry import generation
from modelsregistry.drivers.local import LocalDriver
from processing.documents import ocr, registry
from processing.queue import worker
from processing.tasks.models import Status
from tests import samples
from tests.queue.conftest import Ask, ask

__all__ = ["ask"]  # the fixture
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What models are asked."""
    seen: list[Any] = []
    genuine = generation.generate

    def generate(request: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(request)
        return genuine(request, *args, **kwargs)

    monkeypatch.setattr(generation, "generate", generate)
    return seen


def test_it_works(ask: Ask, asked: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "is_installed", lambda: False)
    task = ask(samples.pdf(""))
    worker.work()
    task.refresh_from_db()
    assert (task.status, task.error_type, task.error_code) == (
        Status.FAILED,
        "processing_error",
        "recognition_unavailable",
    )
    assert "the model local could read" in (task.error or "")
    assert asked == []


def test_text_beside_pictures_is_enough(ask: Ask, asked: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "is_installed", lambda: False)
    task = ask(samples.pdf("", samples.INVOICE))
    worker.work()
    task.refresh_from_db()
    assert task.status == Status.COMPLETED
    assert len(asked) == 1


def test_a_document_in_which_nothing_was_recognised_is_the_models_to_judge(ask: Ask, asked: list[Any]) -> None:
    task = ask(samples.pdf(""))
    worker.work()
    task.refresh_from_db()
    assert task.status == Status.COMPLETED
    assert len(asked) == 1


def test_a_model_that_would_invent_something_is_not_asked_about_nothing(
    ask: Ask, asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalDriver, "reads_any_length", False)
    task = ask(samples.pdf(""))
    worker.work()
    task.refresh_from_db()
    assert (task.status, task.error_code) == (Status.FAILED, "nothing_to_read")
    assert asked == []


@pytest.mark.parametrize(
    ("name", "is_picture"),
    [("a.png", True), ("A.JPEG", True), ("a.pdf", False), ("a.png.txt", False), ("png", False), ("", False)],
)
def test_a_picture_is_known_by_its_name(name: str, is_picture: bool) -> None:
    assert registry.is_picture(name) == is_picture
