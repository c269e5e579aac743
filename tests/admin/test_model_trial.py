"""The test of a model asks it about a real page, and says in words how it went."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from modelsregistry.models import Provider, RegisteredModel
from tests.modelsregistry import stand_in
from tests.modelsregistry.stand_in import StandIn, answer, respond

MODELS = "/admin/modelsregistry/registeredmodel/"
PROVIDERS = "/admin/modelsregistry/provider/"


@pytest.fixture
def upstream() -> Iterator[StandIn]:
    with stand_in.running() as running:
        yield running


@pytest.fixture
def model(db: None, upstream: StandIn) -> RegisteredModel:
    provider = Provider.objects.create(
        name="Office", kind="openai_compatible", base_url=upstream.url, allow_private=True
    )
    return RegisteredModel.objects.create(
        public_id="m", name="M", provider=provider, upstream_id="m-1", input_price=1, output_price=1
    )


def tried(client: Client, model: RegisteredModel) -> str:
    form = {"action": "test_chosen", "_selected_action": [model.pk]}
    return client.post(MODELS, form, follow=True).content.decode()


def test_it_works(as_root: Client, model: RegisteredModel, upstream: StandIn) -> None:
    upstream.script(answer("80.40 EUR"))
    page = tried(as_root, model)
    assert "80.40 EUR" in page
    assert "11 tokens in, 7 out" in page
    assert "USD" in page
    assert "Total due" in upstream.last.raw.decode()


def test_a_model_that_sees_gets_a_picture(as_root: Client, model: RegisteredModel, upstream: StandIn) -> None:
    RegisteredModel.objects.update(vision=True)
    tried(as_root, model)
    assert "data:image/png;base64," in upstream.last.raw.decode()


def test_an_error_is_told_in_words(as_root: Client, model: RegisteredModel, upstream: StandIn) -> None:
    upstream.script(respond(401, {"error": {"message": "Incorrect API key provided"}}))
    assert "did not accept our credential" in tried(as_root, model)


def test_one_that_is_off_is_not_asked(as_root: Client, model: RegisteredModel, upstream: StandIn) -> None:
    RegisteredModel.objects.update(enabled=False)
    assert "switched off" in tried(as_root, model)
    assert upstream.received == []


def test_an_answer_is_text_and_no_markup(as_root: Client, model: RegisteredModel, upstream: StandIn) -> None:
    upstream.script(answer("<script>alert(1)</script>"))
    assert "<script>alert(1)" not in tried(as_root, model)


def test_who_may_only_look_spends_nothing(
    staff: Callable[..., Client], model: RegisteredModel, upstream: StandIn
) -> None:
    tried(staff("modelsregistry.view_registeredmodel"), model)
    assert upstream.received == []


def test_the_providers_health_is_at_a_glance(as_root: Client, model: RegisteredModel) -> None:
    assert "not looked at yet" in as_root.get(PROVIDERS).content.decode()
    Provider.objects.update(
        consecutive_failures=6, open_until=timezone.now() + timedelta(hours=1), last_failure="It fell over."
    )
    for url in (PROVIDERS, f"{PROVIDERS}{model.provider_id}/change/"):
        page = as_root.get(url).content.decode()
        assert "left alone" in page
        assert "It fell over." in page
