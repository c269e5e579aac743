"""What the service says of its models stays true while providers come and go."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from modelsregistry import breaker, probing, registry
from modelsregistry.errors import ModelOverloaded
from modelsregistry.models import Provider, RegisteredModel
from modelsregistry.provisioning import provision
from tests.modelsregistry.stand_in import respond, stall

pytestmark = pytest.mark.django_db

LISTED = {"data": [{"id": "here"}, {"id": "there"}]}


@pytest.fixture
def variables(upstream):
    upstream.script(respond(200, LISTED))
    found = {"OPENAI_API_BASE_URL": upstream.url, "OPENAI_API_KEY": "sk-1"}
    provision(found)
    return found


@pytest.fixture
def provider(variables):
    return Provider.objects.get(from_environment=True)


def look(provider, variables, seconds=20.0):
    """Probe now, as if a minute had passed."""
    Provider.objects.filter(pk=provider.pk).update(probed_at=None)
    return probing.probe_due(variables, seconds)


def state(name="here"):
    entry = registry.find(name)
    return entry.available, entry.reason


def test_it_works(upstream, variables, provider):
    upstream.script(respond(200, {"data": [{"id": "there"}]}))
    look(provider, variables)

    assert state("here") == (False, "Its provider does not list it.")
    assert state("there") == (True, "")

    upstream.script(respond(200, LISTED))
    look(provider, variables)
    assert state("here") == (True, "")


def test_nobody_is_asked_more_than_once_a_minute(upstream, variables, provider):
    look(provider, variables)
    asked = len(upstream.received)

    assert probing.probe_due(variables) == 0
    assert len(upstream.received) == asked
    provider.refresh_from_db()
    assert provider.probed_at is not None

    Provider.objects.update(probed_at=timezone.now() - timedelta(seconds=61))
    assert probing.probe_due(variables) == 2  # the built-in one too, which lists nothing


def test_an_outage_shows_once_the_breaker_opens_and_ends_with_the_provider(upstream, variables, provider):
    upstream.script(respond(503, {}))
    for _ in range(breaker.THRESHOLD - 1):
        look(provider, variables)
        assert state() == (True, "")
    look(provider, variables)
    assert state() == (False, "Its provider does not answer.")
    provider.refresh_from_db()
    assert "listing its models" in provider.last_failure

    asked = len(upstream.received)
    look(provider, variables)  # It is left alone.
    assert len(upstream.received) == asked

    upstream.script(respond(200, LISTED))
    past = timezone.now() - timedelta(seconds=1)
    Provider.objects.filter(pk=provider.pk).update(open_until=past, probed_at=past - timedelta(seconds=1))
    assert probing.probe_due(variables) == 1  # It is not waited for a minute.
    assert state() == (True, "")
    provider.refresh_from_db()
    assert (provider.consecutive_failures, provider.open_until, provider.last_failure) == (0, None, "")


def test_a_list_does_not_excuse_a_provider_that_answers_no_question(variables, provider):
    for _ in range(breaker.THRESHOLD):
        breaker.note(provider, ModelOverloaded("It failed.", "provider_error"))
    past = timezone.now() - timedelta(seconds=1)
    Provider.objects.filter(pk=provider.pk).update(open_until=past)

    look(provider, variables)

    assert state() == (True, "")  # One question may try it.
    provider.refresh_from_db()
    assert provider.consecutive_failures == breaker.THRESHOLD


def test_silence_counts_and_holds_nobody_up(upstream, variables, provider, monkeypatch):
    monkeypatch.setattr(probing, "_SECONDS", 0.2)
    upstream.script(stall())
    for _ in range(breaker.THRESHOLD):
        look(provider, variables)

    assert state() == (False, "Its provider does not answer.")


def test_no_time_is_taken_that_was_not_given(upstream, variables, provider):
    asked = len(upstream.received)
    assert look(provider, variables, seconds=0.0) == 0
    assert len(upstream.received) == asked


def test_a_refused_credential_is_told_at_once(upstream, variables, provider):
    upstream.script(respond(401, {"error": {"message": "Incorrect API key provided"}}))
    look(provider, variables)
    assert state() == (False, "Its provider does not accept our credential.")

    upstream.script(respond(200, LISTED))
    look(provider, variables)
    assert state() == (True, "")


@pytest.mark.parametrize(
    "reply", [respond(404, {}), respond(403, {}), respond(200, "<html>", "text/html"), respond(429, {})]
)
def test_a_provider_that_does_not_list_is_there_all_the_same(upstream, variables, provider, reply):
    RegisteredModel.objects.filter(public_id="here").update(available=False, reason="Its provider does not answer.")
    upstream.script(reply)

    look(provider, variables)

    provider.refresh_from_db()
    if provider.consecutive_failures == 0:
        assert state() == (True, "")
    assert state("there") == (True, "")


def test_what_an_administrator_registered_is_there_where_lists_are_short(upstream, variables, provider):
    for name in ("wild", "here2"):
        RegisteredModel.objects.create(public_id=name, name=name, provider=provider, upstream_id=name)
    look(provider, variables)
    assert state("wild") == (True, "")

    Provider.objects.filter(pk=provider.pk).update(kind="ollama", options={})
    upstream.script(respond(200, {"models": []}))
    look(provider, variables)
    assert state("wild") == (False, "Its provider does not list it.")


def test_what_the_environment_names_is_there(upstream, variables, provider):
    named = {**variables, "OPENAI_API_MODELS": "mine", "API_V2_ADMIN_MODEL": "default"}
    provision(named)
    look(provider, named)

    assert (state("mine"), state("default")) == ((True, ""), (True, ""))
    assert state("there") == (False, "Its provider does not list it.")


def test_the_administrators_switch_wins(upstream, variables, provider):
    RegisteredModel.objects.filter(public_id="here").update(enabled=False)
    look(provider, variables)
    assert not RegisteredModel.objects.get(public_id="here").enabled
    assert {entry.id for entry in registry.catalogue()} == {"local", "there"}

    Provider.objects.filter(pk=provider.pk).update(enabled=False)
    asked = len(upstream.received)
    look(provider, variables)
    assert len(upstream.received) == asked


def test_a_reason_that_somebody_else_gave_stays_until_the_model_is_listed(upstream, variables, provider):
    RegisteredModel.objects.filter(public_id="here").update(available=False, reason="It needs a server.")
    upstream.script(respond(200, {"data": [{"id": "there"}]}))
    look(provider, variables)
    assert state() == (False, "It needs a server.")

    upstream.script(respond(200, LISTED))
    look(provider, variables)
    assert state() == (True, "")


@pytest.mark.django_db(transaction=True)
def test_of_several_hosts_one_asks(upstream, variables, provider):
    Provider.objects.update(probed_at=timezone.now())
    Provider.objects.filter(pk=provider.pk).update(probed_at=None)
    one_listing, start, done = len(upstream.received), threading.Barrier(3), []

    def host() -> None:
        try:
            start.wait()
            done.append(probing.probe_due(variables, seconds=60.0))
        finally:
            connection.close()

    threads = [threading.Thread(target=host) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(done) == [0, 0, 1]
    assert len(upstream.received) == 2 * one_listing


def test_a_secret_that_cannot_be_read_ends_no_round(variables, provider):
    Provider.objects.filter(pk=provider.pk).update(secret_encrypted="garbage")
    assert look(provider, variables) == 2
