"""What is alice's is nobody else's, on every route that there is: to mallory it looks as if it did not exist.

The routes are found in the URLconf, so a new one is tested without anyone asking. What this file has to be told of a
new route: that it is open to everybody (`PUBLIC`), or what its ids are (`IDS`). Whoever forgets is told by a failure.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import URLResolver, get_resolver, reverse
from django.urls.converters import UUIDConverter
from rest_framework.test import APIClient

from processing.access.models import AuditEntry
from processing.delivery.webhooks.models import WebhookEndpoint
from processing.documents.models import StoredDocument
from processing.tasks.models import Batch, Task
from tests.api.routes import METHODS, NOBODYS, NOBODYS_NUMBER, UNSAFE, Route, every_route
from tests.conftest import Tenant

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("as_often_as_one_likes")]

# Routes that answer who is nobody, by name.
PUBLIC = {
    "auths-signin",
    "alive-list",
    "livez-list",
    "readyz-list",
    "config-list",  # while API_V2_PUBLIC_ENDPOINTS says so
    "docs",
    "health-list",
    "metrics",  # unless API_V2_METRICS_TOKEN or API_V2_METRICS_PORT is set
    "models-list",  # as config
    "ollama-tags-list",  # as models
    "openapi",
    "ready-list",
    "version-list",
    "versions-list",
}

# What a parameter of a path names, by the parameter: the id of something of alice's. `None`: nobody's, as a model's.
IDS: dict[str, Callable[[Tenant], str] | None] = {
    "task_id": lambda alice: str(Task.objects.get(owner=alice.user, prompt=PROMPT).id),
    "file_id": lambda alice: str(StoredDocument.objects.get(owner=alice.user).pk),
    "webhook_id": lambda alice: str(WebhookEndpoint.objects.get(owner=alice.user).pk),
    "batch_id": lambda alice: str(Batch.objects.get_or_create(owner=alice.user, defaults={"total": 0})[0].id),
    "key_id": lambda alice: str(alice.key.pk),
    "number": lambda _: "1",  # of a page
    "id": None,
    "budget_id": lambda _: "1",  # an administrator's
    "revision": lambda _: "1",
}

PROMPT = "What is alice's canary?"
FILENAME = "alices-canary.txt"
ROUTES = every_route()
WITH_IDS = [route for route in ROUTES if any(IDS.get(name, "unknown") for name in route.parameters)]
WITHOUT = [route for route in ROUTES if not route.parameters]


@pytest.fixture(autouse=True)
def property_of_alice(alice: Tenant) -> None:
    file = SimpleUploadedFile(FILENAME, b"The total is 12 euros.")
    response = alice.client.post("/api/v2/process", {"file": file, "prompt": PROMPT, "model": "local"})
    assert response.status_code == 200, response.content
    response = alice.client.post("/api/v2/webhooks", {"url": "https://93.184.215.14/canary"}, format="json")
    assert response.status_code == 201, response.content


def ids_of(route: Route, alice: Tenant) -> dict[str, str]:
    found = {}
    for name in route.parameters:
        assert name in IDS, (
            f"The route {route.name} has the parameter {name!r}, of which this test knows nothing. Add to IDS in "
            f"{__name__} how to make something of alice's that it names, so that no stranger reaches it."
        )
        make = IDS[name]
        found[name] = "local" if make is None else make(alice)
    return found


def call(client: APIClient, method: str, path: str) -> Any:
    body = {} if method in UNSAFE else None
    return getattr(client, method)(path, body, format="json") if body is not None else getattr(client, method)(path)


def test_it_works(alice: Tenant) -> None:
    """Alice herself reaches what is hers, so that the refusals below are not those of a wrong address."""
    assert {"status-detail", "tasks-detail", "upload-detail"} <= {route.name for route in WITH_IDS}
    for name in ("status-detail", "tasks-detail", "upload-detail"):
        route = next(each for each in ROUTES if each.name == name)
        assert alice.client.get(route.path(**ids_of(route, alice))).status_code == 200


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_this_file_knows_the_parameters_of_every_route(route: Route, alice: Tenant) -> None:
    ids_of(route, alice)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("route", WITH_IDS, ids=str)
def test_to_a_stranger_it_is_as_if_it_did_not_exist(route: Route, method: str, alice: Tenant, mallory: Tenant) -> None:
    before = state()
    ids = ids_of(route, alice)
    nobodys = {name: NOBODYS_NUMBER if known.isdecimal() else NOBODYS for name, known in ids.items()}

    real = call(mallory.client, method, route.path(**ids))
    unreal = call(mallory.client, method, route.path(**nobodys))

    if method in route.methods:
        assert real.status_code == (403 if route.is_for_administrators or route.is_for_people else 404), real.content
    assert real.status_code == unreal.status_code
    assert real.headers.get("Content-Type") == unreal.headers.get("Content-Type")
    assert neutral(real, ids) == neutral(unreal, nobodys)
    assert state() == before


def neutral(response: Any, ids: dict[str, str]) -> str:
    """The body without what differs by nature: the ids asked for, the time and the request's id."""
    text = response.content.decode()
    if text.startswith("{"):
        told = json.loads(text)
        told.pop("timestamp", None)
        told.pop("request_id", None)
        text = json.dumps(told)
    for value in ids.values():
        text = text.replace(value, "<id>")
    return text


def state() -> Any:
    """All that a stranger could have changed."""
    return (
        list(Task.objects.order_by("seq").values("id", "status", "document_id", "lease_token")),
        list(StoredDocument.objects.order_by("pk").values_list("pk", "filename")),
        AuditEntry.objects.count(),
    )


@pytest.mark.parametrize("route", WITHOUT, ids=str)
def test_no_list_shows_what_is_a_strangers(route: Route, alice: Tenant, mallory: Tenant) -> None:
    response = mallory.client.get(route.path())
    shown = b"".join(response) if response.streaming else response.content
    secrets = [
        alice.secret,
        alice.key.prefix,
        PROMPT,
        FILENAME,
        str(Task.objects.get().id),
        str(StoredDocument.objects.get().pk),
    ]
    assert not [secret for secret in secrets if secret.encode() in shown]


@pytest.mark.parametrize("file_id", ["alices", "nobodys"])
def test_a_strangers_file_cannot_be_asked_about(alice: Tenant, mallory: Tenant, file_id: str) -> None:
    wanted = str(StoredDocument.objects.get().pk) if file_id == "alices" else NOBODYS
    response = mallory.client.post("/api/v2/process", {"file_id": wanted, "prompt": PROMPT, "model": "local"})
    assert (response.status_code, response.json()["code"]) == (404, "file_not_found")
    assert wanted not in response.content.decode()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_who_is_nobody_gets_401(route: Route, method: str, alice: Tenant) -> None:
    response = call(APIClient(raise_request_exception=False), method, route.path(**ids_of(route, alice)))
    if route.name in PUBLIC:
        assert response.status_code in (200, 405, 422)
        return
    assert response.status_code == 401, (
        f"{method.upper()} {route.name} answers who is nobody with {response.status_code}. If it is meant to be open, "
        f"add it to PUBLIC in {__name__}; else give its view a permission."
    )
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("method", UNSAFE)
@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_a_browsers_session_changes_nothing_without_its_csrf_token(route: Route, method: str, alice: Tenant) -> None:
    User.objects.filter(pk=alice.user.pk).update(is_superuser=True, is_staff=True)
    browser = APIClient(enforce_csrf_checks=True, raise_request_exception=False)
    browser.force_login(alice.user)
    before = state()
    for headers in ({}, {"X-CSRFToken": "a" * 32}, {"Origin": "http://evil.example"}):
        browser.cookies["csrftoken"] = "b" * 32
        path = route.path(**ids_of(route, alice))
        response = getattr(browser, method)(path, {}, format="json", headers=headers)
        if response.status_code == 415:
            response = getattr(browser, method)(path, {}, format="multipart", headers=headers)
        if route.name not in PUBLIC:
            assert (response.status_code, response.json()["error_type"]) == (403, "auth_error"), response.content
    assert state() == before


def test_no_page_of_the_admin_is_for_who_is_not_staff(alice: Tenant, mallory: Tenant) -> None:
    """Not one of them, whatever is added there: they are found in the URLconf, too."""
    open_to_all = {"login", "logout", "jsi18n"}
    (pages,) = [each for each in get_resolver().url_patterns if getattr(each, "app_name", None) == "admin"]
    for user in (None, mallory.user):
        client = Client()
        if user is not None:
            client.force_login(user)
        for name, arguments in admin_pages(pages):
            if name in open_to_all:
                continue
            response = client.get(reverse(f"admin:{name}", args=arguments))
            assert response.status_code == 302, name
            assert response["Location"].startswith(reverse("admin:login")), name


def admin_pages(resolver: URLResolver) -> list[tuple[str, list[str]]]:
    found: list[tuple[str, list[str]]] = []
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            found += admin_pages(pattern)
        elif pattern.name and pattern.name != "app_list":
            uuids = sum(isinstance(each, UUIDConverter) for each in pattern.pattern.converters.values())
            count = len(pattern.pattern.converters or pattern.pattern.regex.groupindex)
            found.append((pattern.name, [NOBODYS] * uuids + ["1"] * (count - uuids)))
    return found
