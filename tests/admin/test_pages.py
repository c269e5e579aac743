"""Every page of the admin shows its rows to those who may see them, and to nobody else."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from modelsregistry.models import Provider, RegisteredModel
from processing.access import audit
from processing.access.models import ApiKey, AuditEntry, Budget, CallerLimits
from processing.delivery.webhooks.models import WebhookDelivery, WebhookEndpoint
from processing.documents.models import StoredDocument
from processing.pipeline.models import CachedResult
from processing.queue.models import WorkerHost
from processing.runtime.models import ConfigurationRevision
from processing.tasks.models import Task

LISTS = [
    ("processing.task", "invoice.pdf"),
    ("processing.storeddocument", "invoice.pdf"),
    ("processing.apikey", "laptop"),
    ("processing.callerlimits", "laptop"),
    ("processing.budget", "laptop"),
    ("processing.webhookendpoint", "receiver.example"),
    ("processing.webhookdelivery", "receiver.example"),
    ("processing.workerhost", "worker-1"),
    ("processing.cachedresult", "ada"),
    ("processing.configurationrevision", "timeout"),
    ("modelsregistry.provider", "Built-in server"),
    ("modelsregistry.registeredmodel", "local-model"),
    ("processing.auditentry", "laptop"),
    ("auth.user", "ada"),
    ("auth.group", ""),
]


@pytest.fixture(autouse=True)
def rows(
    task: Task, document: StoredDocument, revision: ConfigurationRevision, host: WorkerHost, key: ApiKey
) -> dict[str, Any]:
    provider = Provider.objects.create(name="Built-in server", kind="local")
    model = RegisteredModel.objects.create(
        public_id="local-model", name="Local", provider=provider, upstream_id="local"
    )
    url = "https://receiver.example/hook"
    endpoint = WebhookEndpoint.objects.create(owner=task.owner, url=url, secret_encrypted="-")
    delivery = WebhookDelivery.objects.create(
        owner=task.owner,
        endpoint=endpoint,
        task=task,
        type="task.completed",
        url=url,
        body="{}",
        next_at=timezone.now(),
    )
    cached = CachedResult.objects.create(owner=task.owner, kind="answer", content=b"...", expires_at=timezone.now())
    audit.record(audit.SERVICE, "revoked", audit.Target("key", "1", "laptop"))
    return {
        "processing.auditentry": AuditEntry.objects.get(action="revoked"),
        "processing.cachedresult": cached,
        "processing.task": task,
        "processing.storeddocument": document,
        "processing.apikey": key,
        "processing.callerlimits": CallerLimits.objects.create(key=key, per_minute=200),
        "processing.budget": Budget.objects.create(api_key=key, period="day", tokens=1000),
        "processing.webhookendpoint": endpoint,
        "processing.webhookdelivery": delivery,
        "processing.workerhost": host,
        "processing.configurationrevision": revision,
        "modelsregistry.provider": provider,
        "modelsregistry.registeredmodel": model,
        "auth.user": task.owner,
    }


def list_url(label: str) -> str:
    return reverse(f"admin:{label.replace('.', '_')}_changelist")


def page_url(label: str, row: Any) -> str:
    return reverse(f"admin:{label.replace('.', '_')}_change", args=[row.pk])


@pytest.mark.parametrize(("label", "shown"), LISTS)
def test_it_works(as_root: Client, label: str, shown: str) -> None:
    response = as_root.get(list_url(label))

    assert response.status_code == 200
    assert shown in response.content.decode()


@pytest.mark.parametrize("label", [label for label, _ in LISTS if label != "auth.group"])
def test_every_row_has_a_page(as_root: Client, rows: dict[str, Any], label: str) -> None:
    assert as_root.get(page_url(label, rows[label])).status_code == 200


@pytest.mark.parametrize("label", [label for label, _ in LISTS])
def test_every_list_can_be_searched(as_root: Client, label: str) -> None:
    found = as_root.get(list_url(label), {"q": "no such thing"})

    assert found.status_code == 200
    assert found.context["cl"].result_list.count() == 0


@pytest.mark.parametrize("label", [label for label, _ in LISTS])
def test_staff_without_permission_see_no_list_and_no_page(
    staff: Callable[..., Client], rows: dict[str, Any], label: str
) -> None:
    clerk = staff()

    assert clerk.get(list_url(label)).status_code == 403
    if label in rows:
        assert clerk.get(page_url(label, rows[label])).status_code == 403


@pytest.mark.parametrize("label", [label for label, _ in LISTS])
def test_who_is_not_staff_is_sent_to_the_login(owner: User, label: str) -> None:
    client = Client()
    client.force_login(owner)

    response = client.get(list_url(label))

    assert response.status_code == 302
    assert urlsplit(response["Location"]).path == reverse("admin:login")


def test_the_queue_librarys_own_pages_are_gone() -> None:
    assert not [model for model in admin.site._registry if model._meta.app_label == "django_q"]


def test_the_sidebar_names_only_what_its_reader_may_see(staff: Callable[..., Client]) -> None:
    page = staff("processing.view_task").get(reverse("admin:index")).content.decode()

    assert list_url("processing.task") in page
    assert list_url("processing.apikey") not in page
    assert list_url("auth.user") not in page


@pytest.mark.parametrize("label", [label for label, _ in LISTS if label != "auth.group"])
def test_pages_load_nothing_from_elsewhere(as_root: Client, rows: dict[str, Any], label: str) -> None:
    for url in (reverse("admin:index"), list_url(label), page_url(label, rows[label])):
        page = as_root.get(url).content.decode()
        loaded = re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=\"([^\"]+)\"", page)

        assert loaded
        assert [address for address in loaded if urlsplit(address).netloc] == []
