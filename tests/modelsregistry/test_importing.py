"""A provider's own list becomes rows of the registry, and takes nothing from what an administrator set."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from modelsregistry.errors import ModelMisconfigured, ModelOverloaded
from modelsregistry.importing import ImportSummary, import_models
from modelsregistry.models import Provider, RegisteredModel
from modelsregistry.provisioning import provision
from tests.modelsregistry.stand_in import respond

pytestmark = pytest.mark.django_db

ROW = {
    "id": "big",
    "name": "Big",
    "context_length": 8000,
    "architecture": {"input_modalities": ["text", "image"]},
    "pricing": {"prompt": "0.000001", "completion": "0.000002"},
}


@pytest.fixture
def provider(upstream):
    return Provider.objects.create(name="Else", kind="openai_compatible", base_url=upstream.url, allow_private=True)


def lists(upstream, *rows):
    upstream.script(respond(200, {"data": list(rows)}))


def test_it_works(upstream, provider):
    lists(upstream, ROW, {"id": "bare"})

    assert import_models(provider) == ImportSummary(created=("big", "bare"))
    big, bare = (RegisteredModel.objects.get(public_id=name) for name in ("big", "bare"))
    assert (big.name, big.upstream_id, big.vision, big.native_pdf) == ("Big", "big", True, False)
    assert big.context_length == 8000
    assert (big.input_price, big.output_price) == (Decimal(1), Decimal(2))
    assert (bare.name, bare.vision, bare.context_length, bare.input_price) == ("bare", False, None, None)
    assert import_models(provider) == ImportSummary(unchanged=("big", "bare"))


def test_what_an_administrator_set_stays_and_what_is_missing_is_filled_in(upstream, provider):
    RegisteredModel.objects.create(
        public_id="mine", name="Mine", provider=provider, upstream_id="big", context_length=100, output_price=Decimal(9)
    )
    lists(upstream, ROW)

    assert import_models(provider) == ImportSummary(updated=("mine",))
    mine = RegisteredModel.objects.get()
    assert (mine.name, mine.context_length, mine.output_price) == ("Mine", 100, Decimal(9))
    assert (mine.vision, mine.input_price) == (True, Decimal(1))


def test_what_is_not_said_takes_nothing_away(upstream, provider):
    RegisteredModel.objects.create(public_id="big", name="B", provider=provider, upstream_id="big", vision=True)
    lists(upstream, {"id": "big"})

    assert import_models(provider) == ImportSummary(unchanged=("big",))
    assert RegisteredModel.objects.get().vision is True


def test_another_providers_model_keeps_its_name(upstream, provider):
    other = Provider.objects.create(name="Other", kind="local")
    RegisteredModel.objects.create(public_id="big", name="B", provider=other, upstream_id="x")
    lists(upstream, ROW, {"id": "x" * 201}, {"id": "huge", "max_model_len": 10**12})

    assert import_models(provider) == ImportSummary(created=("else/big", "huge"), skipped=("x" * 200,))
    assert RegisteredModel.objects.get(public_id="big").provider == other
    assert RegisteredModel.objects.get(public_id="huge").context_length is None

    RegisteredModel.objects.filter(public_id="else/big").update(provider=other)
    assert import_models(provider).skipped == ("big", "x" * 200)


def test_a_provider_without_a_list_says_so(upstream, provider):
    local = Provider.objects.create(name="Built-in", kind="local")
    with pytest.raises(ModelMisconfigured) as raised:
        import_models(local)
    assert raised.value.code == "models_not_listed"

    upstream.script(respond(500, {}))
    with pytest.raises(ModelOverloaded):
        import_models(provider)
    assert not RegisteredModel.objects.exists()


def test_the_command_asks_every_provider_and_tells_of_failures(upstream, provider, capsys):
    Provider.objects.create(name="Built-in", kind="local")
    Provider.objects.create(name="Off", kind="openai_compatible", base_url="http://127.0.0.1:9/v1", enabled=False)
    lists(upstream, ROW)

    call_command("import_models")
    assert capsys.readouterr().out.splitlines() == ["Else: 1 new, 0 completed, 0 unchanged, 0 skipped", "  big"]

    with pytest.raises(CommandError, match="1 of the providers"):
        call_command("import_models", provider="Off")
    assert "address_not_allowed" in capsys.readouterr().err
    with pytest.raises(CommandError, match="There are: Else, Built-in, Off"):
        call_command("import_models", provider="Nobody")


def test_headers_come_under_the_current_key_too(provider, settings):
    former = settings.SECRET_KEY
    provider.headers = {"X-Tenant": "blue"}
    provider.save()
    stored = provider.headers_encrypted
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another-key-of-the-service", [former]

    provision({})

    settings.SECRET_KEY_FALLBACKS = []
    provider.refresh_from_db()
    assert provider.headers == {"X-Tenant": "blue"}
    assert provider.headers_encrypted != stored
    assert "blue" not in json.dumps(provider.headers_encrypted)
