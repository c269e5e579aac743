"""While the service is switched off, no route takes anything new; what was taken is read, worked on and cancelled."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.test import APIClient

from processing.documents.models import StoredDocument
from processing.queue.submit import submit
from processing.runtime import configuration
from processing.tasks.models import Status, Task
from tests import samples
from tests.conftest import Tenant

pytestmark = pytest.mark.django_db
PROMPT = "What is the total amount due?"
# What is no new work: the administrator's own routes, by which it is switched on again, and those that only read.
STAY_OPEN = re.compile(r"^(admin/|api/v1/)|^api/v2/(docs|openapi)")


def switch_off() -> None:
    configuration.change({"enabled": False}, author=None)


def post(who: Tenant, url: str = "/api/v2/process", **fields: Any) -> Any:
    file = SimpleUploadedFile("invoice.pdf", samples.pdf(), "application/pdf")
    return who.client.post(url, {"file": file, "prompt": PROMPT, **fields}, format="multipart")


@pytest.mark.parametrize("url", ["/api/v2/process", "/api/v2/upload"])
def test_it_works(alice: Tenant, url: str) -> None:
    switch_off()
    response = post(alice, url)
    assert (response.status_code, response.json()["code"]) == (503, "disabled")
    assert response["Retry-After"] == str(response.json()["retry_after"]) == "60"
    assert not Task.objects.exists()
    assert not StoredDocument.objects.exists()
    configuration.change({"enabled": None}, author=None)
    assert post(alice, url).status_code in (200, 201)


def test_what_was_taken_is_read_and_cancelled(alice: Tenant) -> None:
    task = post(alice).json()["task_id"]
    switch_off()
    assert alice.client.get(f"/api/v2/status/{task}").json()["status"] == "queued"
    assert alice.client.get(f"/api/v2/tasks/{task}").status_code == 200
    assert [row["task_id"] for row in alice.client.get("/api/v2/tasks").json()["results"]] == [task]
    assert alice.client.get("/api/v2/models").status_code == 200
    assert alice.client.get("/api/v2/config").json()["enabled"] is False
    assert alice.client.delete(f"/api/v2/tasks/{task}").status_code == 200
    assert Task.objects.get().status == Status.CANCELLED


def test_the_body_is_not_read(alice: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: Any) -> None:
        raise AssertionError

    switch_off()
    monkeypatch.setattr("processing.api.uploads.BoundedUploadHandler.handle_raw_input", read)
    assert post(alice).status_code == 503


def test_who_is_unknown_is_told_that_first() -> None:
    switch_off()
    assert APIClient().post("/api/v2/process").status_code == 401


def test_a_document_that_was_arriving_makes_no_task(alice: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Switched off between the look at the door and the writing of the task."""

    def late(*arguments: Any) -> Any:
        switch_off()
        return submit(*arguments)

    monkeypatch.setattr("processing.api.process.submit", late)
    response = post(alice)
    assert (response.status_code, response.json()["code"]) == (503, "disabled")
    assert not Task.objects.exists()
    assert not StoredDocument.objects.exists()


def routes(patterns: list[Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for pattern in patterns:
        route = above + str(pattern.pattern).removeprefix("^").replace("\\.", ".").removesuffix("$").removesuffix("/?")
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield route, pattern.callback


def taking_routes() -> list[tuple[str, str]]:
    """Every route and method of the API by which something can be sent."""
    found = []
    for route, view in routes(get_resolver().url_patterns):
        actions = getattr(view, "actions", None) or {}
        methods = [method for method in actions if method in ("post", "put", "patch")]
        if not STAY_OPEN.match(route):
            found += [(re.sub(r"\(\?P<[^>]+>.*?\)", "00000000-0000-4000-8000-000000000000", route), m) for m in methods]
    return found


def test_the_walk_finds_the_routes() -> None:
    assert {("api/v2/process", "post"), ("api/v2/upload", "post")} <= set(taking_routes())


@pytest.mark.parametrize(("route", "method"), taking_routes())
def test_no_route_takes_anything(alice: Tenant, route: str, method: str) -> None:
    """A new route that fails here has permissions of its own without `SwitchedOn`."""
    switch_off()
    response = getattr(alice.client, method)(f"/{route}", {}, format="json")
    assert (response.status_code, response.json().get("code")) == (503, "disabled")


def test_administrators_switch_it_on_again(alice: Tenant) -> None:
    switch_off()
    alice.user.is_superuser = True
    alice.user.save()
    alice.key.scopes = ["admin"]
    alice.key.save()
    reply = alice.client.post("/admin/config", {"api_v2": {"enabled": True}}, format="json")
    assert reply.json()["api_v2"]["enabled"] is True
    assert post(alice).status_code == 200
