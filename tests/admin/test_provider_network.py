"""How a provider is reached, what is imported from it, and who may use its models, as the admin sets it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from modelsregistry.models import Provider, RegisteredModel
from tests.modelsregistry import stand_in
from tests.modelsregistry.stand_in import StandIn, respond

PROVIDERS = "/admin/modelsregistry/provider/"
MODELS = "/admin/modelsregistry/registeredmodel/"
BUTTON = "modelsregistry_provider_save_and_import"
CANARY = "canary-header-value"


@pytest.fixture
def upstream() -> Iterator[StandIn]:
    with stand_in.running() as running:
        running.script(respond(200, {"data": [{"id": "big", "max_model_len": 8000}]}))
        yield running


@pytest.fixture
def provider(db: None, upstream: StandIn) -> Provider:
    made = Provider(name="Office", kind="openai_compatible", base_url=upstream.url, allow_private=True)
    made.headers = {"X-Tenant": CANARY}
    made.save()
    return made


def form(provider: Provider, **fields: Any) -> dict[str, Any]:
    given = {
        "name": provider.name,
        "kind": provider.kind,
        "base_url": provider.base_url,
        "options": "{}",
        "enabled": "on",
        "stall_timeout": "120",
        "allow_private": "on",
        "proxy": provider.proxy,
    }
    return {**given, **fields}


def save(client: Client, provider: Provider, **fields: Any) -> Any:
    return client.post(f"{PROVIDERS}{provider.pk}/change/", form(provider, **fields), follow=True)


def test_it_works(as_root: Client, provider: Provider) -> None:
    save(as_root, provider, proxy="", max_concurrency="3", new_headers="X-Team: bills\n\nX-Other:  a:b \n")

    provider.refresh_from_db()
    assert provider.headers == {"X-Team": "bills", "X-Other": "a:b"}
    assert provider.max_concurrency == 3
    assert provider.allow_private


def test_the_value_of_a_header_comes_out_of_no_page(as_root: Client, provider: Provider) -> None:
    pages = [
        as_root.get(f"{PROVIDERS}{provider.pk}/change/"),
        save(as_root, provider, new_headers=f"X-Tenant: {CANARY}"),
        save(as_root, provider, new_headers=f"X-Tenant: {CANARY}", stall_timeout="never"),
        save(as_root, provider, new_headers=f"{CANARY}"),
        save(as_root, provider, new_headers=f"X: {CANARY}\nHost: a"),
    ]

    for page in pages:
        assert page.status_code == 200
        assert CANARY not in page.content.decode()
    assert "X-Tenant" in pages[0].content.decode()


def test_empty_headers_keep_the_stored_ones_and_they_can_be_forgotten(as_root: Client, provider: Provider) -> None:
    save(as_root, provider)
    provider.refresh_from_db()
    assert provider.headers == {"X-Tenant": CANARY}

    save(as_root, provider, forget_headers="on")
    provider.refresh_from_db()
    assert provider.headers == {}


@pytest.mark.parametrize(
    "moved", [{"base_url": "https://elsewhere.example/v1"}, {"proxy": "http://proxy.example:3128"}]
)
def test_nothing_stored_is_sent_another_way(as_root: Client, provider: Provider, moved: dict[str, str]) -> None:
    provider.secret = "sk-test"
    provider.save()
    for fields in ({}, {"new_secret": "again"}, {"new_headers": "X: again"}):
        save(as_root, provider, **moved, **fields)
        provider.refresh_from_db()
        assert (provider.proxy, "elsewhere" in provider.base_url) == ("", False)

    save(as_root, provider, **moved, new_secret="again", forget_headers="on")
    provider.refresh_from_db()
    assert (provider.secret, provider.headers) == ("again", {})
    assert provider.proxy or "elsewhere" in provider.base_url


def test_a_proxy_for_the_environments_secret_is_not_set_here(as_root: Client, provider: Provider) -> None:
    Provider.objects.filter(pk=provider.pk).update(from_environment=True)

    save(as_root, provider, proxy="http://proxy.example:3128")

    provider.refresh_from_db()
    assert provider.proxy == ""


def test_a_private_address_is_only_saved_where_it_is_allowed(as_root: Client, provider: Provider) -> None:
    page = save(as_root, provider, allow_private="")

    assert "private" in page.content.decode()
    provider.refresh_from_db()
    assert provider.allow_private


def test_models_are_imported_with_the_form(
    as_root: Client, provider: Provider, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        save(as_root, provider, **{BUTTON: "1"})

    assert RegisteredModel.objects.get(public_id="big").context_length == 8000
    assert BUTTON in as_root.get(f"{PROVIDERS}{provider.pk}/change/").content.decode()


def test_models_of_several_providers_are_imported_from_the_list(
    as_root: Client, provider: Provider, upstream: StandIn
) -> None:
    local = Provider.objects.create(name="Built-in", kind="local")

    page = as_root.post(
        PROVIDERS, {"action": "import_chosen", "_selected_action": [provider.pk, local.pk]}, follow=True
    ).content.decode()

    assert RegisteredModel.objects.filter(public_id="big", provider=provider).exists()
    assert "1 new model" in page
    assert "has no list of models" in page


def test_who_may_not_make_models_imports_none(
    staff: Callable[..., Client], provider: Provider, upstream: StandIn, django_capture_on_commit_callbacks: Any
) -> None:
    clerk = staff("modelsregistry.view_provider", "modelsregistry.change_provider")

    clerk.post(PROVIDERS, {"action": "import_chosen", "_selected_action": [provider.pk]})
    with django_capture_on_commit_callbacks(execute=True):
        save(clerk, provider, **{BUTTON: "1"})

    assert upstream.received == []
    assert not RegisteredModel.objects.exists()


def test_looking_at_an_address_imports_nothing(as_root: Client, provider: Provider, upstream: StandIn) -> None:
    for path in ("save_and_import/", "import_chosen/", f"{provider.pk}/save_and_import/"):
        as_root.get(PROVIDERS + path)

    assert upstream.received == []


def model_form(model: RegisteredModel, **fields: Any) -> dict[str, Any]:
    given = {"public_id": model.public_id, "name": "N", "provider": model.provider_id, "upstream_id": "u"}
    return {**given, "fallbacks": "", "refused_fields": "temperature\r\n\r\n top_p", **fields}


def test_a_model_has_prices_fallbacks_and_people(as_root: Client, provider: Provider, admin_user: Any) -> None:
    model, _ = (
        RegisteredModel.objects.create(public_id=name, name=name, provider=provider, upstream_id=name)
        for name in ("a", "b")
    )
    url = f"{MODELS}{model.pk}/change/"

    as_root.post(
        url, model_form(model, input_price="2.5", fallbacks="b\r\n", allowed_users=[admin_user.pk], enabled="on")
    )
    model.refresh_from_db()
    assert (str(model.input_price), model.fallbacks) == ("2.500000", ["b"])
    assert model.refused_fields == ["temperature", "top_p"]
    form = as_root.get(url).context["adminform"].form
    assert (form["fallbacks"].value(), form["refused_fields"].value()) == ("b", "temperature\ntop_p")
    assert list(model.allowed_users.all()) == [admin_user]

    for wrong in ("a", "b\nb", "nobody", '["b"]', "b, b"):
        assert as_root.post(url, model_form(model, fallbacks=wrong)).status_code == 200, wrong
        model.refresh_from_db()
        assert model.fallbacks == ["b"]
