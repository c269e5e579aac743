"""What a provider's bad day costs: another try, another model, a while of silence; and what an answer costs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from modelsregistry import breaker, generation, prices, slots
from modelsregistry.contract import Attachment, GenerationRequest, Usage
from modelsregistry.errors import ModelError, ModelMisconfigured, ModelOverloaded, ModelRejected
from modelsregistry.generation import Listener
from modelsregistry.models import Provider, ProviderSlot, RegisteredModel
from tests.modelsregistry import stand_in
from tests.modelsregistry.stand_in import StandIn, answer, chunk, respond, stream

pytestmark = pytest.mark.django_db

Ask = Callable[..., GenerationRequest]
OVERLOADED = respond(529, {"error": {"type": "overloaded_error", "message": "Overloaded"}})


def provider_at(url: str, name: str, **fields: object) -> Provider:
    given = {"kind": "openai_compatible", "base_url": url, "allow_private": True}
    return Provider.objects.create(**{**given, "name": name, **fields})


def model_of(provider: Provider, public_id: str, **fields: object) -> RegisteredModel:
    return RegisteredModel.objects.create(
        public_id=public_id, name=public_id, provider=provider, upstream_id=public_id, **fields
    )


@pytest.fixture
def clever(upstream: StandIn) -> RegisteredModel:
    return model_of(provider_at(upstream.url, "First"), "clever")


@pytest.fixture
def other() -> StandIn:
    with stand_in.running() as running:
        yield running


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Nobody waits; what would have been waited, in seconds."""
    told: list[float] = []
    monkeypatch.setattr(generation.time, "sleep", told.append)
    return told


def test_it_works(clever: RegisteredModel, upstream: StandIn, ask: Ask, pauses: list[float]) -> None:
    upstream.script(OVERLOADED, answer("Forty-two."))
    result = generation.generate(ask(model="clever"))
    assert (result.text, result.details["tries"], len(upstream.received)) == ("Forty-two.", 2, 2)
    assert 0 < pauses[0] <= 0.5


def test_a_provider_is_waited_for_as_long_as_it_asks(
    clever: RegisteredModel, upstream: StandIn, ask: Ask, pauses: list[float]
) -> None:
    upstream.script(respond(429, {"error": {"message": "slow down"}}, Retry_After="3"), answer("Forty-two."))
    generation.generate(ask(model="clever"))
    assert 3 <= pauses[0] < 4


@pytest.mark.parametrize("wait", ["25", "3600"])
def test_a_longer_wait_is_left_to_the_queue(
    clever: RegisteredModel, upstream: StandIn, ask: Ask, pauses: list[float], wait: str
) -> None:
    upstream.script(respond(429, {"error": {"message": "slow down"}}, Retry_After=wait))
    with pytest.raises(ModelOverloaded) as caught:
        generation.generate(ask(model="clever"))
    assert (caught.value.retry_after, pauses, len(upstream.received)) == (float(wait), [], 1)


def test_no_try_begins_that_the_deadline_would_end(
    clever: RegisteredModel, upstream: StandIn, ask: Ask, pauses: list[float]
) -> None:
    upstream.script(respond(429, {"error": {"message": "slow down"}}, Retry_After="9"))
    with pytest.raises(ModelOverloaded):
        generation.generate(ask(model="clever", deadline=time.monotonic() + 5))
    assert pauses == []


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": {"message": "no"}}),
        (401, {"error": {"message": "no"}}),
        (429, {"error": {"code": "insufficient_quota", "message": "no credit"}}),
        (500, {"error": {"message": "image input is not supported"}}),
    ],
)
def test_what_another_try_would_not_mend_is_asked_once(
    clever: RegisteredModel, upstream: StandIn, ask: Ask, status: int, body: object
) -> None:
    upstream.script(respond(status, body))
    with pytest.raises(ModelError):
        generation.generate(ask(model="clever"))
    assert len(upstream.received) == 1


def test_a_listener_learns_that_an_answer_begins_anew(clever: RegisteredModel, upstream: StandIn, ask: Ask) -> None:
    heard: list[str] = []
    upstream.script(stream(chunk("Forty-")), answer("Forty-two."))
    generation.generate(ask(model="clever"), Listener(heard.append, heard.clear))
    assert "".join(heard) == "Forty-two."


class TestFallbacks:
    @pytest.fixture
    def spare(self, clever: RegisteredModel, other: StandIn) -> RegisteredModel:
        RegisteredModel.objects.filter(pk=clever.pk).update(fallbacks=["gone", "clever", "spare"])
        return model_of(provider_at(other.url, "Second"), "spare")

    @pytest.mark.parametrize(
        "reply", [OVERLOADED, respond(401, {}), respond(404, {}), respond(500, "<html>", "text/html")]
    )
    def test_it_works(self, spare: RegisteredModel, upstream: StandIn, ask: Ask, reply: stand_in.Reply) -> None:
        upstream.script(reply)
        result = generation.generate(ask(model="clever"))
        assert (result.model, result.text, result.details["provider"]) == ("spare", "Forty-two.", "Second")
        [told] = result.details["fallbacks"]
        assert told["model"] == "clever"
        assert told["code"]

    def test_a_request_that_one_model_cannot_read_may_fit_another(
        self, clever: RegisteredModel, spare: RegisteredModel, upstream: StandIn, ask: Ask
    ) -> None:
        RegisteredModel.objects.filter(pk=clever.pk).update(context_length=3)
        result = generation.generate(ask(model="clever"))
        assert result.details["fallbacks"] == [{"model": "clever", "code": "context_length_exceeded"}]
        assert upstream.received == []

    def test_what_one_filter_withheld_is_not_taken_elsewhere(
        self, spare: RegisteredModel, upstream: StandIn, other: StandIn, ask: Ask
    ) -> None:
        upstream.script(respond(400, {"error": {"code": "content_filter", "message": "no"}}))
        with pytest.raises(ModelRejected):
            generation.generate(ask(model="clever"))
        assert other.received == []

    def test_a_model_that_the_caller_may_not_use_is_passed_over(
        self, spare: RegisteredModel, upstream: StandIn, other: StandIn, ask: Ask
    ) -> None:
        upstream.script(respond(401, {}))
        with pytest.raises(ModelMisconfigured):
            generation.generate(ask(model="clever"), may_use=lambda public_id: public_id != "spare")
        assert other.received == []

    def test_when_all_fail_the_error_is_the_one_worth_another_try(
        self, spare: RegisteredModel, upstream: StandIn, other: StandIn, ask: Ask
    ) -> None:
        upstream.script(respond(401, {}))
        other.script(OVERLOADED)
        with pytest.raises(ModelOverloaded):
            generation.generate(ask(model="clever"))


class TestBreaker:
    @pytest.fixture
    def broken(self, clever: RegisteredModel, upstream: StandIn, ask: Ask) -> RegisteredModel:
        upstream.script(OVERLOADED)
        for _ in range(2):
            with pytest.raises(ModelOverloaded):
                generation.generate(ask(model="clever"))
        return clever

    def test_it_works(self, broken: RegisteredModel, upstream: StandIn, ask: Ask) -> None:
        assert len(upstream.received) == breaker.THRESHOLD
        upstream.script(answer("Too early."))
        with pytest.raises(ModelOverloaded) as caught:
            generation.generate(ask(model="clever"))
        assert caught.value.code == "provider_open"
        assert 0 < caught.value.retry_after <= 10
        assert len(upstream.received) == breaker.THRESHOLD

    def test_after_the_pause_one_request_tries_and_closes_it(
        self, broken: RegisteredModel, upstream: StandIn, ask: Ask
    ) -> None:
        Provider.objects.update(open_until=timezone.now() - timedelta(seconds=1))
        first, second = Provider.objects.get(), Provider.objects.get()
        breaker.require_closed(first)
        with pytest.raises(ModelOverloaded):
            breaker.require_closed(second)
        Provider.objects.update(open_until=timezone.now() - timedelta(seconds=1))
        upstream.script(answer("Forty-two."))
        assert generation.generate(ask(model="clever")).text == "Forty-two."
        assert list(Provider.objects.values_list("consecutive_failures", "open_until")) == [(0, None)]

    def test_a_rate_limit_is_no_failure(self, clever: RegisteredModel, upstream: StandIn, ask: Ask) -> None:
        upstream.script(respond(429, {"error": {"message": "slow down"}}))
        for _ in range(3):
            with pytest.raises(ModelOverloaded):
                generation.generate(ask(model="clever"))
        assert Provider.objects.get().open_until is None

    def test_a_database_that_is_away_costs_no_answer(
        self, clever: RegisteredModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(*_: object) -> None:
            raise OperationalError("gone")

        monkeypatch.setattr(breaker, "_failed", away)
        breaker.note(clever.provider, ModelOverloaded("No.", "provider_error"))


@pytest.mark.django_db(transaction=True)
class TestSlots:
    def test_it_works(self, clever: RegisteredModel, upstream: StandIn, ask: Ask) -> None:
        Provider.objects.update(max_concurrency=1)
        assert generation.generate(ask(model="clever")).text == "Forty-two."
        assert not ProviderSlot.objects.exists()

    def test_no_more_than_allowed_at_a_time(self, clever: RegisteredModel) -> None:
        Provider.objects.update(max_concurrency=2)
        provider = Provider.objects.get()
        with slots.of(provider, time.monotonic() + 30), slots.of(provider, time.monotonic() + 30):
            with pytest.raises(ModelOverloaded) as caught, slots.of(provider, time.monotonic()):
                pass
            assert caught.value.code == "provider_busy"

    def test_a_slot_goes_from_one_thread_to_the_next(self, clever: RegisteredModel) -> None:
        Provider.objects.update(max_concurrency=1)
        provider = Provider.objects.get()
        inside: list[int] = []

        def hold() -> None:
            try:
                with slots.of(provider, time.monotonic() + 60):
                    inside.append(ProviderSlot.objects.count())
            finally:
                connection.close()

        threads = [threading.Thread(target=hold) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert inside == [1, 1, 1, 1]

    def test_what_a_dead_process_held_is_free(self, clever: RegisteredModel, settings: object) -> None:
        Provider.objects.update(max_concurrency=1)
        provider = Provider.objects.get()
        with slots.of(provider, time.monotonic() + 60):
            ProviderSlot.objects.update(pid=2**22 + 1)  # no Linux process is called so (proc(5), pid_max)
            with slots.of(provider, time.monotonic() + 60):
                assert ProviderSlot.objects.count() == 1


class TestCost:
    def test_it_works(self, clever: RegisteredModel, upstream: StandIn, ask: Ask) -> None:
        RegisteredModel.objects.update(input_price=Decimal("2.5"), output_price=Decimal("10"))
        result = generation.generate(ask(model="clever"))
        assert result.cost == Decimal("0.00009750")  # 11 × 2.5 + 7 × 10, for a million

    def test_what_the_provider_had_read_before_is_cheaper(self, clever: RegisteredModel) -> None:
        clever.input_price, clever.cached_input_price, clever.output_price = Decimal(4), Decimal(1), Decimal(8)
        assert prices.cost(Usage(1000, 100, cached_tokens=600), clever) == Decimal("0.003")

    @pytest.mark.parametrize("known", [{}, {"input_price": Decimal(1)}, {"output_price": Decimal(1)}])
    def test_without_a_price_there_is_no_cost(self, clever: RegisteredModel, known: dict[str, Decimal]) -> None:
        for name, value in known.items():
            setattr(clever, name, value)
        assert prices.cost(Usage(10, 10), clever) is None


def test_a_request_that_cannot_fit_is_not_sent(clever: RegisteredModel, upstream: StandIn, ask: Ask) -> None:
    RegisteredModel.objects.update(context_length=1000)
    with pytest.raises(ModelRejected) as caught:
        generation.generate(ask(model="clever", instruction="word " * 2000))
    assert caught.value.code == "context_length_exceeded"
    assert upstream.received == []


def test_a_document_that_goes_whole_is_sized_by_its_provider(
    clever: RegisteredModel, upstream: StandIn, ask: Ask
) -> None:
    RegisteredModel.objects.update(context_length=1000, native_pdf=True)
    generation.generate(
        ask(model="clever", attachment=Attachment(b"%PDF-" + b"x" * 90_000, "application/pdf", "a.pdf"))
    )
    [part, _] = upstream.last.json["messages"][1]["content"]
    assert part["file"]["file_data"].startswith("data:application/pdf;base64,")
