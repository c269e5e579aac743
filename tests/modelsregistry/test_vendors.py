"""The variables of every vendor make a provider with the models of the guide."""

from __future__ import annotations

import json

import pytest
from django.core.exceptions import ImproperlyConfigured

from modelsregistry import registry
from modelsregistry.discovery import all_drivers
from modelsregistry.models import Provider, RegisteredModel
from modelsregistry.provisioning import provision
from modelsregistry.vendors import VENDORS, is_among, lists_all
from tests.modelsregistry.stand_in import respond

pytestmark = pytest.mark.django_db

CLAUDE = {"claude-3-opus", "claude-3-sonnet", "claude-3-haiku"}
AT_OLLAMA = {"llava", "instructblip", "flamingo"}


def offered() -> set[str]:
    return {entry.id for entry in registry.catalogue()}


def test_it_works():
    provision({"OPENAI_API_KEY": "sk-1", "ANTHROPIC_API_KEY": "sk-ant-1", "GEMINI_API_KEY": "AI-1"})

    names = ("gpt-4-vision", "gpt-4o", "gpt-4-turbo", "gpt-4-vision-preview", *CLAUDE, "gemini-pro-vision")
    assert offered() == {"local", *names}
    for name in names:
        assert registry.find(name).vision
        assert registry.find(name).available
    found = Provider.objects.get(kind="anthropic")
    assert (found.name, found.secret, found.base_url) == ("Anthropic", "sk-ant-1", "https://api.anthropic.com")
    assert not found.allow_private
    haiku = RegisteredModel.objects.get(public_id="claude-3-haiku")
    assert (haiku.native_pdf, haiku.structured_output, haiku.refused_fields) == (True, True, ["temperature"])
    assert "Retired by Anthropic" in haiku.description


def test_every_vendor_speaks_a_dialect_that_there_is():
    assert {vendor.kind for vendor in VENDORS} <= set(all_drivers())


WITH_A_KEY = [vendor for vendor in VENDORS if vendor.key_variables and vendor.address]


@pytest.mark.parametrize("vendor", WITH_A_KEY, ids=lambda vendor: vendor.name)
def test_a_key_that_vanishes_switches_its_models_off_and_back_on(vendor):
    variables = {vendor.key_variables[-1]: "sk-1"}
    provision(variables)
    assert {seed.public_id for seed in vendor.models} | {"local"} == offered()

    provision({})
    assert offered() == {"local"}
    reason = Provider.objects.get(from_environment=True).disabled_reason
    assert all(name in reason for name in vendor.variables)

    provision(variables)
    assert {seed.public_id for seed in vendor.models} | {"local"} == offered()


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.kind)
@pytest.mark.parametrize("bad", ["localhost:11434", "ftp://x", "https://u:p@x"])
def test_a_malformed_address_is_named(vendor, bad):
    with pytest.raises(ImproperlyConfigured, match=vendor.address_variables[0]):
        provision({vendor.address_variables[0]: bad})


def test_a_key_without_the_address_it_needs_is_named():
    with pytest.raises(ImproperlyConfigured, match="OPEN_WEBUI_API_KEY needs OPEN_WEBUI_BASE_URL"):
        provision({"OPEN_WEBUI_API_KEY": "sk-1"})


def ollama(upstream, *names: str) -> dict[str, str]:
    """The variables of an Ollama with these models, which all see."""
    shown = {"capabilities": ["completion", "vision"], "model_info": {}}
    tags = {"models": [{"name": name, "model": name} for name in names]}

    def reply(exchange):
        path = exchange.server.stand_in.last.path
        respond(200, tags if path.endswith("/api/tags") else shown)(exchange)

    upstream.script(reply)
    return {"OLLAMA_BASE_URL": upstream.url.removesuffix("/v1")}


@pytest.mark.parametrize("variable", ["OLLAMA_BASE_URL", "OLLAMA_API_BASE_URL"])
def test_ollama_brings_what_it_has_pulled_and_tells_what_is_missing(upstream, variable):
    provision({variable: ollama(upstream, "llava:latest", "qwen3-vl:8b")["OLLAMA_BASE_URL"]})

    assert Provider.objects.get(kind="ollama").allow_private
    assert offered() == {"local", *AT_OLLAMA, "llava:latest", "qwen3-vl:8b"}
    assert registry.find("llava").available
    assert registry.find("qwen3-vl:8b").vision
    for name in ("instructblip", "flamingo"):
        assert not registry.find(name).available
        assert "OpenAI-compatible server" in registry.find(name).reason


def test_an_ollama_that_does_not_answer_loses_nothing(upstream):
    variables = ollama(upstream, "qwen3-vl:8b")
    provision(variables)
    upstream.script(respond(503, {}))

    provision(variables)

    assert registry.find("qwen3-vl:8b").available


def test_open_webui_brings_what_it_lists(upstream):
    upstream.script(respond(200, {"data": [{"id": "house-model", "name": "House model"}]}))

    provision({"OPEN_WEBUI_BASE_URL": upstream.url.removesuffix("/v1"), "OPEN_WEBUI_API_KEY": "sk-w"})

    assert offered() == {"local", "house-model"}
    assert upstream.last.headers["authorization"] == "Bearer sk-w"


def test_a_proxy_of_a_vendor_brings_the_vendors_models_and_its_own(upstream):
    rows = {"data": [{"id": "house-claude", "type": "model", "display_name": "House"}], "has_more": False}
    upstream.script(respond(200, json.dumps(rows)))

    provision({"ANTHROPIC_API_BASE_URL": upstream.url, "ANTHROPIC_API_KEY": "sk-1"})

    assert offered() == {"local", *CLAUDE, "house-claude"}


def test_the_guides_default_model_is_found_at_its_vendor():
    provision({"ANTHROPIC_API_KEY": "sk-1", "API_V2_ADMIN_MODEL": "claude-3-haiku"})

    assert registry.default_model("claude-3-haiku", chosen=True).provider == "Anthropic"


def test_edits_of_a_shipped_model_stay():
    provision({"ANTHROPIC_API_KEY": "sk-1"})
    RegisteredModel.objects.filter(public_id="claude-3-opus").update(upstream_id="claude-opus-6", input_price=7)

    provision({"ANTHROPIC_API_KEY": "sk-1"})

    opus = RegisteredModel.objects.get(public_id="claude-3-opus")
    assert (opus.upstream_id, opus.input_price) == ("claude-opus-6", 7)


@pytest.mark.parametrize(
    ("name", "listed", "there"),
    [
        ("gpt-4o", {"gpt-4o"}, True),
        ("gpt-4o", {"gpt-4o-mini"}, False),
        ("gpt-4o", {"gpt-4o-2024-11-20"}, True),
        ("claude-haiku-5-5", {"claude-haiku-5-5-20261007"}, True),
        ("llava", {"llava:latest"}, True),
        ("llava", {"llava:13b"}, False),
        ("models/gemini-3.8-flash", {"gemini-3.8-flash"}, True),
    ],
)
def test_a_list_may_name_a_model_by_its_version(name, listed, there):
    assert is_among(name, frozenset(listed)) is there


def test_only_complete_lists_say_what_is_not_there():
    assert lists_all("openai_compatible", "https://api.openai.com/v1")
    assert not lists_all("openai_compatible", "http://vllm:8000/v1")
    assert lists_all("ollama", "http://localhost:11434")
    assert not lists_all("local", "")
