"""What becomes of a key that is limited to models when these are deleted: nothing more than it was."""

from __future__ import annotations

import pytest

from modelsregistry.models import Provider, RegisteredModel
from processing.access import keys, model_access
from tests.conftest import Tenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def provider(db: None) -> Provider:
    return Provider.objects.create(name="Office", kind="openai_compatible", base_url="http://127.0.0.1:9/v1")


def model(provider: Provider, public_id: str) -> RegisteredModel:
    return RegisteredModel.objects.create(public_id=public_id, name=public_id, provider=provider, upstream_id=public_id)


def test_it_works(alice: Tenant, provider: Provider) -> None:
    first, second = model(provider, "first"), model(provider, "second")
    alice.key.allowed_models.add(first, second)

    first.delete()
    assert keys.find(alice.secret) == alice.key
    assert model_access.asker(alice.user.pk, alice.key).key_models == {"second"}

    second.delete()
    assert keys.find(alice.secret) is None


def test_many_deleted_at_once(alice: Tenant, provider: Provider) -> None:
    alice.key.allowed_models.add(model(provider, "first"), model(provider, "second"))
    RegisteredModel.objects.filter(provider=provider).delete()
    assert keys.find(alice.secret) is None


def test_they_go_with_their_provider(alice: Tenant, provider: Provider) -> None:
    alice.key.allowed_models.add(model(provider, "first"), model(provider, "second"))
    provider.delete()
    assert keys.find(alice.secret) is None


def test_a_key_that_has_others_left_stays_limited_to_these(alice: Tenant, provider: Provider) -> None:
    other = Provider.objects.create(name="Other", kind="openai_compatible", base_url="http://127.0.0.1:9/v1")
    alice.key.allowed_models.add(model(provider, "first"), model(other, "second"))
    provider.delete()
    assert keys.find(alice.secret) == alice.key
    assert model_access.asker(alice.user.pk, alice.key).key_models == {"second"}


def test_keys_without_limits_stay(alice: Tenant, mallory: Tenant, provider: Provider) -> None:
    model(provider, "first").delete()
    assert keys.find(alice.secret) == alice.key
    assert keys.find(mallory.secret) == mallory.key
