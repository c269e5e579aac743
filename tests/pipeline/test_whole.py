"""A PDF goes as it is to a model that reads PDFs, and page by page to every other."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from modelsregistry.models import Provider, RegisteredModel
from processing.documents.models import StoredDocument
from processing.pipeline import whole
from processing.queue import worker
from processing.runtime import configuration
from processing.tasks.models import Status, Task
from tests import samples
from tests.modelsregistry import stand_in
from tests.modelsregistry.stand_in import StandIn
from tests.queue.conftest import Ask, ask

__all__ = ["ask"]  # the fixture
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def upstream() -> Iterator[StandIn]:
    with stand_in.running() as running:
        running.script(stand_in.answer("It is 108.00 EUR."))
        yield running


@pytest.fixture
def reader(upstream: StandIn) -> RegisteredModel:
    provider = Provider.objects.create(
        name="Elsewhere", kind="openai_compatible", base_url=upstream.url, allow_private=True
    )
    return RegisteredModel.objects.create(
        public_id="reader", name="Reader", provider=provider, upstream_id="reader", vision=True, native_pdf=True
    )


def sent(upstream: StandIn, task: Task, pages: int | None = 1) -> list[Any]:
    """The parts of the question after the task was worked on."""
    StoredDocument.objects.update(pages=pages)
    Task.objects.update(model="reader")
    worker.work()
    task.refresh_from_db()
    assert task.status == Status.COMPLETED, task.error
    parts: list[Any] = upstream.last.json["messages"][-1]["content"]
    return parts


def test_it_works(ask: Ask, reader: RegisteredModel, upstream: StandIn) -> None:
    data = samples.pdf()  # with a time inside
    task = ask(data)
    document, question = sent(upstream, task)
    encoded = document["file"]["file_data"].removeprefix("data:application/pdf;base64,")
    assert base64.b64decode(encoded) == data
    assert "What is the total amount?" in question["text"]
    assert task.result is not None
    assert task.result["citations"][0]["text"].strip()


@pytest.mark.parametrize(
    ("options", "pages"), [({"vision_mode": "force_text"}, 1), ({}, whole.MAX_PAGES + 1), ({}, None)]
)
def test_page_by_page_where_it_may_not_or_cannot_go_whole(
    ask: Ask, reader: RegisteredModel, upstream: StandIn, options: dict[str, Any], pages: int | None
) -> None:
    assert '"file"' not in json.dumps(sent(upstream, ask(**options), pages))


def test_a_picture_is_a_picture(ask: Ask, reader: RegisteredModel, upstream: StandIn) -> None:
    parts = sent(upstream, ask(samples.picture("Total 108.00 EUR"), "png"))
    assert [part["type"] for part in parts] == ["text", "image_url", "text"]


def test_where_vision_is_off_the_text_goes(ask: Ask, reader: RegisteredModel, upstream: StandIn) -> None:
    configuration.change({"enable_vision": False}, author=None)
    assert "108.00" in sent(upstream, ask())
