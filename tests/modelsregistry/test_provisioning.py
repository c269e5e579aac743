"""The registry follows the environment, and keeps what an administrator did."""

from __future__ import annotations

import threading

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import override_settings

from modelsregistry import registry
from modelsregistry.models import Provider, RegisteredModel
from modelsregistry.provisioning import provision
from tests.modelsregistry.stand_in import respond, stall

pytestmark = pytest.mark.django_db

GUIDES = {"gpt-4-vision", "gpt-4-turbo", "gpt-4o", "gpt-4-vision-preview"}


def offered() -> set[str]:
    return {entry.id for entry in registry.catalogue()}


def rows() -> list[object]:
    return [row for table in (Provider, RegisteredModel) for row in table.objects.order_by("pk").values()]


@pytest.fixture
def here(upstream):
    """The variables of a server on loopback that lists two models."""
    upstream.script(respond(200, {"data": [{"id": "llama-3", "max_model_len": 8192}, {"id": "qwen:7b"}]}))
    return {"OPENAI_API_BASE_URL": upstream.url + "/", "OPENAI_API_KEY": "sk-here"}


def test_it_works():
    provision({})

    entry = registry.find("local")
    assert (entry.name, entry.vision, entry.available) == ("Local (built-in)", False, True)
    assert Provider.objects.get().kind == "local"


def test_a_key_alone_brings_the_models_of_the_guide():
    provision({"OPENAI_API_KEY": "sk-1"})

    provider = Provider.objects.get(name="OpenAI")
    assert (provider.base_url, provider.secret) == ("https://api.openai.com/v1", "sk-1")
    assert provider.options == {"token_cap_field": "max_completion_tokens"}
    assert offered() == {"local", *GUIDES}
    assert RegisteredModel.objects.get(public_id="gpt-4-vision").upstream_id == "gpt-4o"
    assert all(registry.find(model_id).vision for model_id in GUIDES)
    assert registry.default_model("gpt-4-vision", chosen=False).id == "gpt-4-vision"


def test_another_server_is_asked_what_it_serves(here, upstream):
    provision(here)

    assert offered() == {"local", "llama-3", "qwen:7b"}
    assert registry.find("llama-3").context_length == 8192
    assert not registry.find("qwen:7b").vision
    assert upstream.last.headers["authorization"] == "Bearer sk-here"
    assert Provider.objects.get(name="OpenAI").options == {"token_cap_field": "max_tokens"}


def test_a_list_of_models_is_taken_as_it_is(here, upstream):
    provision({**here, "OPENAI_API_MODELS": " llava:7b:vision, qwen:7b ,,"})

    assert offered() == {"local", "llava:7b", "qwen:7b"}
    assert registry.find("llava:7b").vision
    assert not registry.find("qwen:7b").vision
    assert upstream.received == []


def test_a_default_model_is_registered_though_no_list_names_it(here):
    provision({**here, "API_V2_ADMIN_MODEL": "wild-card"})

    assert registry.default_model("wild-card", chosen=True).id == "wild-card"


@pytest.mark.parametrize("wanted", ["local", "llama-3"])
def test_a_default_model_that_is_known_is_not_made_again(here, wanted):
    provision({**here, "API_V2_ADMIN_MODEL": wanted})

    assert offered() == {"local", "llama-3", "qwen:7b"}
    assert registry.find("local").provider == "Built-in"


@pytest.mark.parametrize(("wanted", "registered"), [("gpt-new", True), ("claude-3-haiku", False)])
def test_a_default_model_of_another_vendor_is_not_laid_at_openais_door(here, upstream, monkeypatch, wanted, registered):
    monkeypatch.setattr("modelsregistry.vendors.Vendor.is_home", lambda *_: True)
    upstream.script(respond(200, {"data": [{"id": "gpt-new"}, {"id": "gpt-4o"}]}))

    provision({**here, "API_V2_ADMIN_MODEL": wanted})

    assert offered() == {"local", *GUIDES} | ({wanted} if registered else set())


@pytest.mark.parametrize("reply", [respond(401, {}), respond(200, "<html>", "text/html"), respond(200, "{"), stall()])
def test_a_server_that_does_not_list_is_no_obstacle(here, upstream, reply, monkeypatch):
    monkeypatch.setattr("modelsregistry.provisioning._LISTING_SECONDS", 0.3)
    upstream.script(reply)

    provision({**here, "API_V2_ADMIN_MODEL": "named"})

    assert offered() == {"local", "named"}


def test_repeating_it_changes_nothing(here):
    provision(here)
    before = rows()

    provision(here)

    assert rows() == before


def test_an_administrators_edits_stay(here):
    provision(here)
    RegisteredModel.objects.filter(public_id="llama-3").update(
        name="Our llama", vision=True, temperature=0.1, upstream_id="llama-3.1", description="Mine", enabled=False
    )
    Provider.objects.filter(name="OpenAI").update(name="Ours", timeout=7.0)
    before = rows()

    provision(here)

    assert rows() == before


def test_a_provider_that_an_administrator_switched_off_stays_off(here):
    provision(here)
    Provider.objects.filter(from_environment=True).update(enabled=False)

    provision(here)
    provision({})
    provision(here)

    assert offered() == {"local"}


def test_a_new_key_and_address_are_taken_over(here):
    provision({"OPENAI_API_KEY": "sk-old"})

    provision(here)

    provider = Provider.objects.get(from_environment=True)
    assert (provider.secret, provider.base_url) == ("sk-here", here["OPENAI_API_BASE_URL"].rstrip("/"))
    assert provider.options == {"token_cap_field": "max_tokens"}
    assert not registry.find("gpt-4o").available
    assert registry.find("gpt-4o").reason == "Its provider does not list it."
    assert registry.find("llama-3").available

    provision({"OPENAI_API_KEY": "sk-old"})

    assert registry.find("gpt-4o").available
    assert registry.find("gpt-4o").reason == ""


def test_when_the_variables_vanish_the_provider_is_off_and_comes_back_with_them(here):
    provision(here)

    provision({})
    provider = Provider.objects.get(from_environment=True)
    assert "no longer set" in provider.disabled_reason
    assert offered() == {"local"}
    assert registry.default_model("gpt-4-vision", chosen=False).id == "local"

    provision(here)
    assert offered() == {"local", "llama-3", "qwen:7b"}
    assert Provider.objects.get(from_environment=True).disabled_reason == ""


def test_an_administrators_own_provider_and_models_are_left_alone(here):
    mine = Provider.objects.create(name="OpenAI", kind="openai_compatible", base_url="https://mine.example/v1")
    RegisteredModel.objects.create(public_id="llama-3", name="Mine", provider=mine, upstream_id="x")

    provision(here)
    provision({**here, "OPENAI_API_MODELS": "other"})

    mine.refresh_from_db()
    assert (mine.base_url, mine.secret) == ("https://mine.example/v1", "")
    assert registry.find("llama-3").provider == "OpenAI"
    assert registry.find("llama-3").available
    assert registry.find("other").provider == "OpenAI (environment)"


def test_secrets_follow_the_key_of_the_service(here):
    with override_settings(SECRET_KEY="old" * 20, SECRET_KEY_FALLBACKS=[]):
        provision(here)
        Provider.objects.create(name="Lost", kind="openai_compatible", base_url="http://x/v1", secret_encrypted="gone")
    with override_settings(SECRET_KEY="new" * 20, SECRET_KEY_FALLBACKS=["old" * 20]):
        provision(here)
    with override_settings(SECRET_KEY="new" * 20, SECRET_KEY_FALLBACKS=[]):
        assert Provider.objects.get(from_environment=True).secret == "sk-here"
    with override_settings(SECRET_KEY="lost" * 20, SECRET_KEY_FALLBACKS=[]):
        provision(here)
        assert Provider.objects.get(from_environment=True).secret == "sk-here"


@pytest.mark.parametrize("bad", ["localhost:8000", "ftp://x", "http://", "https://u:p@x/v1"])
def test_a_malformed_address_stops_the_start_and_is_named(bad):
    with pytest.raises(ImproperlyConfigured, match="OPENAI_API_BASE_URL"):
        provision({"OPENAI_API_BASE_URL": bad})


def test_the_command_reads_the_settings():
    with override_settings(VARIABLES={"OPENAI_API_KEY": "sk-1"}):
        call_command("provision_models")
    assert "gpt-4o" in offered()

    with override_settings(VARIABLES={"OPENAI_API_BASE_URL": "nonsense"}), pytest.raises(CommandError, match="OPENAI"):
        call_command("provision_models")


@pytest.mark.django_db(transaction=True)
def test_several_processes_may_start_at_once(here):
    start = threading.Barrier(4)
    failures: list[BaseException] = []

    def run() -> None:
        try:
            start.wait()
            provision(here)
        except BaseException as error:  # noqa: BLE001 -- handed to the test's own thread
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert offered() == {"local", "llama-3", "qwen:7b"}
    assert Provider.objects.count() == 2
