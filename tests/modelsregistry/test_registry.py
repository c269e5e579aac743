"""What is offered, what answers when nobody is named, and how a request reaches its model."""

from __future__ import annotations

import dataclasses

import pytest
from django.core.exceptions import ValidationError

from modelsregistry import generation, registry
from modelsregistry.errors import ModelMisconfigured, ModelTimeout
from modelsregistry.models import Provider, RegisteredModel
from modelsregistry.provisioning import provision
from tests.modelsregistry.stand_in import stall

pytestmark = pytest.mark.django_db


@pytest.fixture
def provider(upstream):
    provision({})
    provider = Provider(name="Elsewhere", kind="openai_compatible", base_url=upstream.url, allow_private=True)
    provider.secret = "sk-test"
    provider.save()
    return provider


@pytest.fixture
def model(provider):
    return RegisteredModel.objects.create(public_id="clever", name="Clever", provider=provider, upstream_id="clever-7b")


def test_it_works(model, upstream, ask):
    result = generation.generate(ask(model="clever"))

    assert (result.text, result.model) == ("Forty-two.", "clever")
    assert result.details == {"provider": "Elsewhere", "upstream_model": "upstream-2026"}
    assert upstream.last.json["model"] == "clever-7b"
    assert upstream.last.headers["authorization"] == "Bearer sk-test"


def test_the_built_in_model_answers_like_any_other(ask):
    provision({})

    result = generation.generate(ask(model="local"))

    assert result.model == "local"
    assert "42.00" in result.text


def test_the_catalogue_is_one_query(model, django_assert_num_queries):
    with django_assert_num_queries(1):
        entries = registry.catalogue()

    assert [entry.id for entry in entries] == ["local", "clever"]
    assert dataclasses.asdict(entries[1]) == {
        "id": "clever",
        "name": "Clever",
        "provider": "Elsewhere",
        "provider_kind": "openai_compatible",
        "description": "",
        "vision": False,
        "native_pdf": False,
        "context_length": None,
        "max_output_tokens": None,
        "temperature": None,
        "max_tokens": None,
        "timeout": None,
        "available": True,
        "reason": "",
        "reads_any_length": False,
        "has_prices": False,
        "is_free": False,
    }


@pytest.mark.parametrize("switched", ["provider", "model"])
def test_what_is_switched_off_is_not_offered(model, provider, ask, switched):
    row = {"provider": provider, "model": model}[switched]
    row.enabled = False
    row.save()

    assert [entry.id for entry in registry.catalogue()] == ["local"]
    with pytest.raises(ModelMisconfigured):
        generation.generate(ask(model="clever"))


@pytest.mark.parametrize("wanted", ["nonsense", "", "x" * 5000, "Clever", "clever\x00"])
def test_an_unknown_model_is_told_what_there_is(model, wanted):
    with pytest.raises(ModelMisconfigured) as raised:
        registry.find(wanted)
    assert raised.value.code == "unknown_model"
    assert "local, clever" in raised.value.detail
    assert len(raised.value.detail) < 300


def test_many_models_are_not_all_named(provider):
    RegisteredModel.objects.bulk_create(
        RegisteredModel(public_id=f"m{number}", name="", provider=provider, upstream_id="u") for number in range(500)
    )
    with pytest.raises(ModelMisconfigured) as raised:
        registry.find("x")
    assert "501" in raised.value.detail
    assert len(raised.value.detail) < 1000


def test_with_nothing_configured_the_built_in_model_is_the_default():
    provision({})

    assert registry.default_model("gpt-4-vision", chosen=False).id == "local"


def test_a_default_that_an_operator_chose_is_never_swapped():
    provision({})

    with pytest.raises(ModelMisconfigured) as raised:
        registry.default_model("gpt-4-vision", chosen=True)
    assert raised.value.code == "default_model_unavailable"
    assert "API_V2_ADMIN_MODEL" in raised.value.detail
    assert "local" in raised.value.detail


def test_a_provider_without_the_default_is_told_which_setting_to_change(provider):
    with pytest.raises(ModelMisconfigured, match="admin_model"):
        registry.default_model("gpt-4-vision", chosen=False)


def test_a_default_that_is_served_answers(model):
    assert registry.default_model("clever", chosen=False).id == "clever"
    assert registry.default_model("local", chosen=True).id == "local"


def test_a_default_that_is_known_to_be_gone_does_not_answer(model):
    RegisteredModel.objects.filter(pk=model.pk).update(available=False, reason="gone")

    with pytest.raises(ModelMisconfigured):
        registry.default_model("clever", chosen=False)
    assert registry.find("clever").reason == "gone"


def test_a_model_has_settings_of_its_own(model, upstream, ask):
    RegisteredModel.objects.filter(pk=model.pk).update(temperature=0.0, max_tokens=50, max_output_tokens=90)

    generation.generate(ask(model="clever"))
    own = upstream.last.json
    generation.generate(ask(model="clever", temperature=1.5, max_tokens=1000))
    asked = upstream.last.json

    assert (own["temperature"], own["max_tokens"]) == (0.0, 50)
    assert (asked["temperature"], asked["max_tokens"]) == (1.5, 90)


def test_a_model_that_refuses_a_temperature_is_not_given_one(model, upstream, ask):
    RegisteredModel.objects.filter(pk=model.pk).update(refused_fields=["temperature"])

    result = generation.generate(ask(model="clever", temperature=0.0, pages=()))

    assert "temperature" not in upstream.last.json
    assert result.dropped == ("temperature",)


@pytest.mark.parametrize("of", ["model", "provider"])
def test_a_timeout_of_its_own_shortens_the_deadline(model, provider, upstream, ask, of):
    row = {"model": model, "provider": provider}[of]
    row.timeout = 0.3
    row.save()
    upstream.script(stall())

    with pytest.raises(ModelTimeout):
        generation.generate(ask(model="clever"))


def test_settings_are_configured_by_name_and_taken_away_by_none(model):
    registry.configure("clever", {"temperature": 0.2, "max_tokens": 5, "timeout": 9.0})
    registry.configure("clever", {"max_tokens": None})
    registry.configure("unheard of", {"temperature": 0.2})

    entry = registry.find("clever")
    assert (entry.temperature, entry.max_tokens, entry.timeout) == (0.2, None, 9.0)
    with pytest.raises(ValueError, match="enabled"):
        registry.configure("clever", {"enabled": 0})


def test_a_secret_that_cannot_be_read_is_a_matter_for_the_administrator(model, provider, ask):
    Provider.objects.filter(pk=provider.pk).update(secret_encrypted="gone")

    with pytest.raises(ModelMisconfigured) as raised:
        generation.generate(ask(model="clever"))
    assert raised.value.code == "secret_unreadable"


@pytest.mark.parametrize("options", [{"colour": "green"}, ["token_cap_field"], {"token_cap_field": ["max_tokens"]}])
def test_a_provider_that_its_driver_would_not_take_is_not_valid(provider, options):
    provider.options = options
    with pytest.raises(ValidationError, match="token_cap_field"):
        provider.full_clean()


def test_a_provider_may_live_on_a_private_name(provider):
    provider.base_url = "http://llama:8080/v1"
    provider.full_clean()
