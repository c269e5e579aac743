"""A provider, or a prompt, that means harm costs the one who asked an answer, and nobody else anything."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from modelsregistry import generation
from modelsregistry.contract import GenerationRequest
from modelsregistry.errors import ModelError
from modelsregistry.models import Provider, RegisteredModel
from tests.modelsregistry.stand_in import StandIn, answer, chunk, stream

pytestmark = pytest.mark.django_db

Ask = Callable[..., GenerationRequest]
STOP, END = chunk(finish_reason="stop"), "data: [DONE]\n\n"
MOST = Decimal("999999.999999")


@pytest.fixture
def model(upstream: StandIn, monkeypatch: pytest.MonkeyPatch) -> RegisteredModel:
    monkeypatch.setattr("modelsregistry.generation.time.sleep", lambda _: None)
    provider = Provider.objects.create(
        name="Hostile", kind="openai_compatible", base_url=upstream.url, allow_private=True
    )
    return RegisteredModel.objects.create(
        public_id="hostile", name="Hostile", provider=provider, upstream_id="h", input_price=MOST, output_price=MOST
    )


def test_it_works(model: RegisteredModel, upstream: StandIn, ask: Ask) -> None:
    result = generation.generate(ask(model="hostile"))
    assert (result.text, result.usage.output_tokens, result.usage.estimated) == ("Forty-two.", 7, False)


@pytest.mark.parametrize("read", [20_000_001, 2**31, 2**63, 10**40])
def test_a_count_that_cannot_be_is_not_believed(model: RegisteredModel, upstream: StandIn, ask: Ask, read: int) -> None:
    counted = {"prompt_tokens": read, "completion_tokens": 7}
    upstream.script(stream(chunk("Forty-two."), STOP, chunk(usage=counted), END))

    result = generation.generate(ask(model="hostile"))

    assert result.usage.estimated
    assert result.usage.input_tokens < 1000
    assert result.cost is not None
    assert result.cost < 1000 * MOST / 1_000_000


def test_the_largest_count_that_can_be_has_a_cost_that_a_row_takes(
    model: RegisteredModel, upstream: StandIn, ask: Ask
) -> None:
    counted = {"prompt_tokens": 20_000_000, "completion_tokens": 20_000_000}
    upstream.script(stream(chunk("Forty-two."), STOP, chunk(usage=counted), END))

    cost = generation.generate(ask(model="hostile")).cost

    assert cost is not None
    assert cost < 10**8


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (("a\x00b",), "ab"),
        (("a\ud800b",), "a\ufffdb"),
        (("a\ud83d", "\ude00b"), "a\U0001f600b"),
        (("äöü — 你好 \U0001f600",), "äöü — 你好 \U0001f600"),
    ],
)
def test_an_answer_is_text_that_every_database_takes(
    model: RegisteredModel, upstream: StandIn, ask: Ask, pieces: tuple[str, ...], text: str
) -> None:
    upstream.script(answer(*pieces))
    assert generation.generate(ask(model="hostile")).text == text


def test_whoever_has_a_model_say_nothing_closes_its_provider_to_nobody(
    model: RegisteredModel, upstream: StandIn, ask: Ask
) -> None:
    upstream.script(stream(chunk(" "), STOP, END))
    for _ in range(3):  # each tried again
        with pytest.raises(ModelError) as caught:
            generation.generate(ask(model="hostile"))
        assert caught.value.code == "answer_empty"
    upstream.script(answer("Forty-two."))
    assert generation.generate(ask(model="hostile")).text == "Forty-two."
