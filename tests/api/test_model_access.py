"""A model that is limited to some is, for all others, as good as none."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from modelsregistry import registration
from modelsregistry.models import Provider, RegisteredModel
from modelsregistry.provisioning import provision
from processing.access import model_access
from processing.tasks.models import Task
from tests.conftest import Tenant

URL = "/api/v2/models"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def built_in() -> None:
    provision({})


@pytest.fixture
def dear() -> RegisteredModel:
    provider = Provider.objects.create(name="Office", kind="openai_compatible", base_url="http://127.0.0.1:9/v1")
    return RegisteredModel.objects.create(public_id="dear", name="Dear", provider=provider, upstream_id="d")


def seen_by(client: APIClient) -> set[str]:
    body = client.get(URL).json()
    assert set(body["model_configs"]) == {model["id"] for model in body["models"]}
    return set(body["model_configs"])


def submit(who: Tenant, model: str | None = "dear") -> Any:
    fields = {"file": SimpleUploadedFile("a.txt", b"The total is 42."), "prompt": "What is the total?"}
    return who.client.post("/api/v2/process", fields | ({"model": model} if model else {}), format="multipart")


def test_it_works(alice: Tenant, mallory: Tenant, dear: RegisteredModel) -> None:
    dear.allowed_users.add(alice.user)

    assert submit(alice).status_code == 200
    refused = submit(mallory)
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_model")
    assert refused.json()["detail"] == "There is no model “dear”. There are: local."
    assert Task.objects.get().owner == alice.user


def test_a_model_that_nobody_limited_is_everybodys(alice: Tenant, mallory: Tenant, dear: RegisteredModel) -> None:
    for who in (alice, mallory):
        assert seen_by(who.client) == {"local", "dear"}
        assert submit(who).status_code == 200


def test_the_list_of_models_follows_the_caller(alice: Tenant, mallory: Tenant, dear: RegisteredModel) -> None:
    dear.vision = True
    dear.save()
    dear.allowed_users.add(alice.user)

    assert seen_by(alice.client) == {"local", "dear"}
    assert seen_by(mallory.client) == {"local"}
    assert mallory.client.get(URL).json()["vision_models"] == []
    assert alice.client.get(URL).json()["vision_models"] == ["dear"]


def test_without_a_key_a_limited_model_is_not_shown(alice: Tenant, dear: RegisteredModel) -> None:
    assert seen_by(APIClient()) == {"local", "dear"}
    dear.allowed_users.add(alice.user)
    assert seen_by(APIClient()) == {"local"}


def test_a_group_lets_its_members_in(alice: Tenant, mallory: Tenant, dear: RegisteredModel) -> None:
    group = Group.objects.create(name="lawyers")
    dear.allowed_groups.add(group)
    alice.user.groups.add(group)

    assert submit(alice).status_code == 200
    assert submit(mallory).status_code == 422

    alice.user.groups.clear()
    assert submit(alice).status_code == 422


def test_superusers_are_not_exempt(mallory: Tenant, alice: Tenant, dear: RegisteredModel) -> None:
    mallory.user.is_superuser = mallory.user.is_staff = True
    mallory.user.save()
    dear.allowed_users.add(alice.user)

    assert submit(mallory).status_code == 422
    assert seen_by(mallory.client) == {"local"}


def test_a_model_whose_users_were_all_deleted_is_nobodys(alice: Tenant, mallory: Tenant, dear: RegisteredModel) -> None:
    group = Group.objects.create(name="lawyers")
    dear.allowed_groups.add(group)
    alice.user.groups.add(group)
    group.delete()

    for who in (alice, mallory):
        assert submit(who).status_code == 422

    registration.change(registration.Registration(id="dear", allowed_groups=()))
    assert submit(mallory).status_code == 200


def test_a_key_may_be_limited_further(alice: Tenant, dear: RegisteredModel) -> None:
    alice.key.allowed_models.add(dear)

    assert seen_by(alice.client) == {"dear"}
    assert submit(alice).status_code == 200
    assert submit(alice, "local").json()["detail"] == "There is no model “local”. There are: dear."


def test_a_key_gives_nothing_that_its_user_lacks(alice: Tenant, mallory: Tenant, dear: RegisteredModel) -> None:
    dear.allowed_users.add(alice.user)
    mallory.key.allowed_models.add(dear)

    assert seen_by(mallory.client) == set()
    refused = submit(mallory)
    assert (refused.status_code, refused.json()["detail"]) == (422, "There is no model “dear”. No model is configured.")


def test_the_default_model_is_no_way_around(alice: Tenant, mallory: Tenant, dear: RegisteredModel) -> None:
    dear.public_id = "gpt-4-vision"  # the default
    dear.save()
    dear.allowed_users.add(alice.user)

    assert submit(alice, None).json()["config_applied"]["model"] == "gpt-4-vision"
    refused = submit(mallory, None)
    assert (refused.status_code, refused.json()["code"]) == (422, "default_model_unavailable")


def test_a_model_that_stands_in_must_be_allowed_too(alice: Tenant, mallory: Tenant, dear: RegisteredModel) -> None:
    dear.allowed_users.add(alice.user)
    only_local = RegisteredModel.objects.get(public_id="local")
    alice.key.allowed_models.add(only_local)

    assert model_access.permits(alice.user.pk, None)("dear")
    assert not model_access.permits(mallory.user.pk, mallory.key.pk)("dear")
    assert not model_access.permits(alice.user.pk, alice.key.pk)("dear")
    assert not model_access.permits(alice.user.pk, None)("none-such")


def test_limits_cost_no_query_for_each_model(
    alice: Tenant, dear: RegisteredModel, django_assert_max_num_queries: Any
) -> None:
    for number in range(20):
        made = RegisteredModel.objects.create(
            public_id=f"m{number}", name="m", provider=dear.provider, upstream_id=f"m{number}"
        )
        made.allowed_users.add(alice.user)
    with django_assert_max_num_queries(13):
        assert len(seen_by(alice.client)) == 22
