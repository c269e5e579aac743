"""Batches in the admin site: shown, with the way to their tasks, and not to be written."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from modelsregistry.provisioning import provision
from tests.api.test_batches import post, text
from tests.conftest import Tenant

pytestmark = pytest.mark.django_db


def test_it_works(admin_client: Client, alice: Tenant) -> None:
    provision({})
    body = post(alice, [text(1), text(2), "words"]).json()
    other = alice.client.post("/api/v2/process", {"file": text(3), "prompt": "And this one?", "model": "local"})
    assert other.status_code == 200
    page = admin_client.get(reverse("admin:processing_batch_changelist"))
    assert page.status_code == 200
    assert body["batch_id"] in page.content.decode()
    (batch,) = page.context["cl"].result_list
    page = admin_client.get(reverse("admin:processing_batch_change", args=[batch.pk])).content.decode()
    assert "2 queued · 1 failed" in page
    assert "file_required" in page
    tasks = admin_client.get(reverse("admin:processing_task_changelist", query={"batch__exact": batch.pk}))
    assert sorted(task.filename for task in tasks.context["cl"].result_list) == ["1.txt", "2.txt"]


def test_nobody_changes_one(admin_client: Client, alice: Tenant) -> None:
    provision({})
    post(alice, [text(1)])
    assert admin_client.get(reverse("admin:processing_batch_add")).status_code == 403
    assert admin_client.post(reverse("admin:processing_batch_delete", args=[1]), {"post": "yes"}).status_code in (
        403,
        302,
    )
