"""A meter is asked before each request to a provider, and told what each one took, whatever became of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from modelsregistry import generation, metering, size
from modelsregistry.contract import Attachment, GenerationRequest, SourcePage, Usage
from modelsregistry.errors import ModelError, ModelForbidden, ModelMisconfigured, ModelOverloaded
from modelsregistry.generation import Listener
from modelsregistry.metering import Bound
from modelsregistry.models import RegisteredModel
from tests.modelsregistry.stand_in import StandIn, answer, chunk, respond, stream
from tests.modelsregistry.test_failing_well import OVERLOADED, clever, model_of, other, pauses, provider_at

__all__ = ["clever", "other", "pauses"]  # fixtures
pytestmark = pytest.mark.django_db

Ask = Callable[..., GenerationRequest]


@dataclass
class Recorder:
    """Allows what fits, and remembers everything."""

    allows: int = 10**9
    asked: list[Bound] = field(default_factory=list)
    told: list[tuple[str, Usage, Decimal | None]] = field(default_factory=list)
    ended: list[tuple[str, str]] = field(default_factory=list)

    def require(self, bound: Bound) -> None:
        self.asked.append(bound)
        if bound.tokens > self.allows:
            raise ModelForbidden("Too much.", "too_much")

    def spent(self, model: str, usage: Usage, cost: Decimal | None) -> None:
        self.told.append((model, usage, cost))

    def request_ended(self, provider: str, outcome: str, seconds: float) -> None:
        self.ended.append((provider, outcome))


@pytest.fixture
def priced(clever: RegisteredModel) -> RegisteredModel:
    RegisteredModel.objects.update(input_price=Decimal("2.5"), output_price=Decimal(10))
    clever.refresh_from_db()
    return clever


def test_it_works(priced: RegisteredModel, upstream: StandIn, ask: Ask) -> None:
    meter = Recorder()
    result = generation.generate(ask(model="clever", max_tokens=100), meter=meter)
    [bound], [told] = meter.asked, meter.told
    assert told == ("clever", Usage(11, 7), result.cost)
    assert bound.tokens >= 100 + 11
    assert bound.cost is not None
    assert result.cost is not None
    assert bound.cost >= result.cost


def test_what_the_meter_refuses_is_not_sent_and_asked_of_no_other(
    priced: RegisteredModel, upstream: StandIn, other: StandIn, ask: Ask
) -> None:
    RegisteredModel.objects.update(fallbacks=["spare"])
    model_of(provider_at(other.url, "Second"), "spare")
    meter = Recorder(allows=10)
    with pytest.raises(ModelForbidden):
        generation.generate(ask(model="clever"), meter=meter)
    assert (upstream.received, other.received, meter.told) == ([], [], [])


def test_a_fallback_that_the_meter_refuses_is_one_that_failed(
    priced: RegisteredModel, upstream: StandIn, other: StandIn, ask: Ask
) -> None:
    RegisteredModel.objects.update(fallbacks=["spare"])
    model_of(provider_at(other.url, "Second"), "spare", max_tokens=50_000)
    RegisteredModel.objects.filter(public_id="clever").update(max_tokens=10)
    upstream.script(respond(401, {}))
    meter = Recorder(allows=40_000)
    with pytest.raises(ModelMisconfigured):
        generation.generate(ask(model="clever"), meter=meter)
    assert [bound.model for bound in meter.asked] == ["clever", "spare"]
    assert other.received == []


def test_an_answer_that_breaks_off_was_paid_for(priced: RegisteredModel, upstream: StandIn, ask: Ask) -> None:
    upstream.script(stream(chunk("Forty-")), answer("Forty-two."))
    meter = Recorder()
    generation.generate(ask(model="clever"), meter=meter)
    (_, broken, cost), (_, whole, _) = meter.told
    assert broken.estimated
    assert (broken.input_tokens > 0, broken.output_tokens, cost is not None) == (True, 2, True)
    assert whole == Usage(11, 7)
    assert len(meter.asked) == 2


def test_a_provider_that_never_got_to_work_took_nothing(priced: RegisteredModel, upstream: StandIn, ask: Ask) -> None:
    upstream.script(OVERLOADED, OVERLOADED, OVERLOADED)
    meter = Recorder()
    with pytest.raises(ModelOverloaded):
        generation.generate(ask(model="clever"), meter=meter)
    assert (len(meter.asked), meter.told) == (3, [])


def test_thoughts_without_an_answer_were_paid_for(priced: RegisteredModel, upstream: StandIn, ask: Ask) -> None:
    upstream.script(answer(""))
    meter = Recorder()
    with pytest.raises(ModelError):
        generation.generate(ask(model="clever"), meter=meter)
    assert meter.told[0][1] == Usage(11, 7)


def test_what_is_stopped_from_outside_was_paid_for(priced: RegisteredModel, upstream: StandIn, ask: Ask) -> None:
    class Stopped(BaseException):
        pass

    def stop(_: str) -> None:
        raise Stopped

    meter = Recorder()
    with pytest.raises(Stopped):
        generation.generate(ask(model="clever"), Listener(stop), meter=meter)
    [(_, usage, _)] = meter.told
    assert usage.estimated
    assert usage.input_tokens > 0


class TestBounds:
    @pytest.mark.parametrize(
        "text", ["The total is due in thirty days. " * 50, "1234567890|" * 50, "合計金額は以下の通りです。" * 50, "x"]
    )
    def test_it_works(self, ask: Ask, text: str) -> None:
        """Never less than the thriftiest count, and for digits and signs one a byte."""
        request = ask(pages=(SourcePage(1, text),))
        assert size.estimate(request) <= size.likely(request) <= size.at_most(request)
        if text[0] == "1":
            assert size.at_most(request) >= len(text)

    def test_a_picture_counts_and_so_does_each_page_of_a_document_that_goes_whole(self, ask: Ask) -> None:
        plain = ask(pages=(SourcePage(1, "a"), SourcePage(2, "b")))
        whole = ask(pages=plain.pages, attachment=Attachment(b"%PDF-", "application/pdf", "a.pdf"))
        assert size.at_most(ask()) - size.at_most(plain) > 2000
        assert size.at_most(whole) - size.at_most(plain) > 2000

    def test_a_model_reads_no_more_than_its_context(self, ask: Ask, clever: RegisteredModel) -> None:
        clever.context_length = 1000
        request = ask(pages=(SourcePage(1, "word " * 10_000),), max_tokens=50)
        assert metering.bound(request, clever).tokens == 1050

    def test_without_a_bound_the_longest_answer_is_expected(self, ask: Ask, clever: RegisteredModel) -> None:
        assert metering.bound(ask(), clever).tokens > 32_000
        clever.max_output_tokens = 500
        assert metering.bound(ask(pages=()), clever).tokens < 2000

    def test_without_a_price_there_is_no_cost(self, ask: Ask, clever: RegisteredModel) -> None:
        assert metering.bound(ask(), clever).cost is None
        clever.input_price = clever.output_price = Decimal(0)
        assert metering.bound(ask(), clever).cost == 0
