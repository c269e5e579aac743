"""Which models clients are told of."""

from __future__ import annotations

import pytest
from pytest_django import Settings
from rest_framework.test import APIClient

from modelsregistry.models import Provider, RegisteredModel
from modelsregistry.provisioning import provision
from processing.runtime import configuration
from tests.conftest import Tenant

URL = "/api/v2/models"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def built_in() -> None:
    provision({})


@pytest.fixture
def seeing() -> RegisteredModel:
    """A model of a provider, which sees pictures."""
    provider = Provider(name="OpenAI", kind="openai_compatible", base_url="http://127.0.0.1:9/v1")
    provider.save()
    return RegisteredModel.objects.create(
        public_id="gpt-4-vision",
        name="GPT-4 Vision",
        provider=provider,
        upstream_id="gpt-4o",
        vision=True,
        context_length=128_000,
        max_output_tokens=4096,
        temperature=0.2,
    )


def test_it_works() -> None:
    body = APIClient().get(URL).json()
    assert set(body) == {"models", "default_model", "vision_models", "model_configs"}
    (local,) = body["models"]
    assert set(local) == {
        "id",
        "name",
        "provider",
        "meta",
        "capabilities",
        "vision_capable",
        "available",
        "reason",
    }
    assert set(local["meta"]) == {"description", "max_tokens", "context_length", "vision"}
    assert (local["id"], local["capabilities"], local["available"]) == ("local", ["text"], True)
    assert body["default_model"] == "local"
    assert body["vision_models"] == []
    assert body["model_configs"]["local"] == {
        "temperature": 0.7,
        "max_tokens": 8000,
        "timeout": 300,
        "vision_capable": False,
        "capabilities": ["text"],
    }


def test_a_models_own_settings_come_first(seeing: RegisteredModel) -> None:
    configuration.change({"model_configs": {"gpt-4-vision": {"temperature": 1.5, "timeout": 99}}}, author=None)
    body = APIClient().get(URL).json()
    assert body["default_model"] == "gpt-4-vision"
    assert body["vision_models"] == ["gpt-4-vision"]
    settings_of_model = body["model_configs"]["gpt-4-vision"]
    assert settings_of_model["temperature"] == 0.2
    assert settings_of_model["max_tokens"] == 4096
    assert settings_of_model["timeout"] == 99
    assert settings_of_model["capabilities"] == ["text", "vision"]


def test_a_model_that_cannot_be_had_says_why(seeing: RegisteredModel) -> None:
    RegisteredModel.objects.filter(pk=seeing.pk).update(available=False, reason="Its provider has gone.")
    body = APIClient().get(URL).json()
    found = next(model for model in body["models"] if model["id"] == "gpt-4-vision")
    assert (found["available"], found["reason"]) == (False, "Its provider has gone.")
    assert body["vision_models"] == []
    assert body["default_model"] == "gpt-4-vision"  # and is not swapped for another


def test_no_secret_of_a_provider_is_shown(seeing: RegisteredModel) -> None:
    provider = seeing.provider
    provider.secret = "sk-canary"
    provider.save()
    assert b"canary" not in APIClient().get(URL).content


def test_an_operator_can_close_it(settings: Settings, alice: Tenant) -> None:
    settings.API_V2_PUBLIC_ENDPOINTS = frozenset({"health"})
    assert APIClient().get(URL).status_code == 401
    assert alice.client.get(URL).status_code == 200


def test_many_models_cost_no_more_queries(seeing: RegisteredModel, django_assert_max_num_queries: object) -> None:
    for number in range(20):
        RegisteredModel.objects.create(
            public_id=f"m{number}", name="m", provider=seeing.provider, upstream_id=f"m{number}"
        )
    with django_assert_max_num_queries(6):  # type: ignore[operator]
        assert len(APIClient().get(URL).json()["models"]) == 22
