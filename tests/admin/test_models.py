"""Providers and models are set up in the admin; a provider's secret goes in and never comes out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from modelsregistry.models import Provider, RegisteredModel

CANARY = "canary-9f2c-secret"
PROVIDERS = "/admin/modelsregistry/provider/"
MODELS = "/admin/modelsregistry/registeredmodel/"
FORM = {
    "name": "Office",
    "kind": "openai_compatible",
    "base_url": "https://models.example.com/v1",
    "options": "{}",
    "enabled": "on",
    "timeout": "300",
    "stall_timeout": "120",
    "new_secret": "",
}


@pytest.fixture
def provider(db: None) -> Provider:
    made = Provider(name="Office", kind="openai_compatible", base_url="https://models.example.com/v1")
    made.secret = CANARY
    made.save()
    return made


@pytest.fixture
def model(provider: Provider) -> RegisteredModel:
    return RegisteredModel.objects.create(
        public_id="office-model", name="Office model", provider=provider, upstream_id="m-1", reason="It is asleep."
    )


def save(client: Client, provider: Provider, **fields: Any) -> Any:
    return client.post(f"{PROVIDERS}{provider.pk}/change/", {**FORM, **fields}, follow=True)


def test_it_works(as_root: Client) -> None:
    as_root.post(PROVIDERS + "add/", {**FORM, "new_secret": CANARY})

    made = Provider.objects.get()
    assert made.secret == CANARY
    assert CANARY not in made.secret_encrypted


def test_the_secret_comes_out_of_no_page(
    as_root: Client, provider: Provider, model: RegisteredModel, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    pages = [
        as_root.get(url)
        for url in (
            PROVIDERS,
            f"{PROVIDERS}{provider.pk}/change/",
            f"{PROVIDERS}{provider.pk}/history/",
            f"{PROVIDERS}{provider.pk}/delete/",
            MODELS,
            f"{MODELS}{model.pk}/change/",
            "/admin/",
        )
    ]
    pages.append(save(as_root, provider, new_secret=CANARY))
    pages.append(save(as_root, provider, new_secret=CANARY, stall_timeout="never"))

    for page in pages:
        assert page.status_code == 200
        assert CANARY not in page.content.decode()
        assert provider.secret_encrypted not in page.content.decode()
    assert CANARY not in str(list(LogEntry.objects.values()))
    assert CANARY not in caplog.text


def test_an_empty_secret_keeps_the_stored_one(as_root: Client, provider: Provider) -> None:
    save(as_root, provider, name="Renamed")

    provider.refresh_from_db()
    assert (provider.name, provider.secret) == ("Renamed", CANARY)


def test_a_new_secret_takes_the_place_of_the_stored_one(as_root: Client, provider: Provider) -> None:
    save(as_root, provider, new_secret="another")

    provider.refresh_from_db()
    assert provider.secret == "another"


def test_a_secret_can_be_forgotten(as_root: Client, provider: Provider) -> None:
    save(as_root, provider, forget_secret="on")

    provider.refresh_from_db()
    assert provider.secret_encrypted == ""


def test_a_stored_secret_is_not_sent_to_another_address(as_root: Client, provider: Provider) -> None:
    save(as_root, provider, base_url="https://elsewhere.example.net/v1")

    provider.refresh_from_db()
    assert provider.base_url == "https://models.example.com/v1"

    save(as_root, provider, base_url="https://elsewhere.example.net/v1", new_secret="for-elsewhere")

    provider.refresh_from_db()
    assert (provider.base_url, provider.secret) == ("https://elsewhere.example.net/v1", "for-elsewhere")


def test_a_secret_that_cannot_be_read_is_told_and_can_be_entered_again(as_root: Client, provider: Provider) -> None:
    Provider.objects.filter(pk=provider.pk).update(secret_encrypted="garbage")

    assert "unreadable" in as_root.get(PROVIDERS).content.decode()
    save(as_root, provider, new_secret="again")

    provider.refresh_from_db()
    assert provider.secret == "again"


@pytest.mark.parametrize(
    "wrong", [{"kind": "telepathy"}, {"base_url": ""}, {"stall_timeout": "0"}, {"options": "{"}, {"name": ""}]
)
def test_a_provider_that_cannot_work_is_refused(as_root: Client, wrong: dict[str, str]) -> None:
    response = as_root.post(PROVIDERS + "add/", {**FORM, **wrong})

    assert response.status_code == 200
    assert not Provider.objects.exists()


def test_what_the_environment_sets_is_not_edited(as_root: Client, provider: Provider) -> None:
    Provider.objects.filter(pk=provider.pk).update(from_environment=True)

    save(as_root, provider, base_url="https://elsewhere.example.net", new_secret="mine", enabled="")

    provider.refresh_from_db()
    assert provider.base_url == "https://models.example.com/v1"
    assert provider.secret == CANARY
    assert not provider.enabled
    assert as_root.post(f"{PROVIDERS}{provider.pk}/delete/", {"post": "yes"}).status_code == 403


def test_who_may_only_look_changes_no_provider(staff: Callable[..., Client], provider: Provider) -> None:
    clerk = staff("modelsregistry.view_provider")

    assert clerk.get(f"{PROVIDERS}{provider.pk}/change/").status_code == 200
    assert save(clerk, provider, new_secret="mine").status_code == 403
    provider.refresh_from_db()
    assert provider.secret == CANARY


def test_a_model_is_edited_but_not_what_the_service_found_out(as_root: Client, model: RegisteredModel) -> None:
    as_root.post(
        f"{MODELS}{model.pk}/change/",
        {
            "public_id": "office-model",
            "name": "Renamed",
            "provider": model.provider_id,
            "upstream_id": "m-2",
            "temperature": "0",
            "enabled": "on",
            "available": "",
            "reason": "forged",
        },
    )

    model.refresh_from_db()
    assert (model.name, model.upstream_id, model.temperature) == ("Renamed", "m-2", 0.0)
    assert (model.available, model.reason) == (True, "It is asleep.")
    assert "It is asleep." in as_root.get(MODELS).content.decode()


@pytest.mark.parametrize("wrong", [{"temperature": "3"}, {"max_tokens": "0"}, {"public_id": ""}, {"timeout": "abc"}])
def test_a_setting_out_of_range_is_refused(as_root: Client, model: RegisteredModel, wrong: dict[str, str]) -> None:
    form = {"public_id": "office-model", "name": "New", "provider": model.provider_id, "upstream_id": "m-1", **wrong}

    as_root.post(f"{MODELS}{model.pk}/change/", form)

    model.refresh_from_db()
    assert model.name == "Office model"


def test_a_model_that_is_about_to_be_made_shows_nothing_that_was_found_out(as_root: Client) -> None:
    page = as_root.get(MODELS + "add/").content.decode()
    assert "Upstream id" in page
    assert "DatabaseDefault" not in page
    assert "What the service found out" not in page
