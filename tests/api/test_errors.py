"""An error names what it is about, and blames a slow client for being slow."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpResponse
from django.test import RequestFactory
from django.urls import resolve

from processing.tasks.models import Status, Task
from tests.conftest import Tenant

pytestmark = pytest.mark.django_db
KINDS = {"status": "get", "tasks": "get", "cancel": "delete"}


def about(tenant: Tenant, kind: str, task: object) -> HttpResponse:
    resource = "status" if kind == "status" else "tasks"
    response: HttpResponse = getattr(tenant.client, KINDS[kind])(f"/api/v2/{resource}/{task}")
    return response


class Slow(io.BytesIO):
    """The body of a request; instead of its end comes `failure`."""

    def __init__(self, failure: OSError) -> None:
        super().__init__()
        self._pieces = self._come(failure)

    @staticmethod
    def _come(failure: OSError) -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nThe total'
        raise failure

    def read(self, size: int | None = -1) -> bytes:
        return next(self._pieces)


def send(tenant: Tenant, failure: OSError) -> Any:
    environ = RequestFactory().generic("POST", "/api/v2/process", b"").environ
    environ |= {
        "CONTENT_TYPE": "multipart/form-data; boundary=b",
        "CONTENT_LENGTH": "1000",
        "HTTP_AUTHORIZATION": f"Bearer {tenant.secret}",
        "wsgi.input": Slow(failure),
    }
    view, arguments, named = resolve("/api/v2/process")
    response: Any = view(WSGIRequest(environ), *arguments, **named)
    return response


@pytest.mark.parametrize("kind", KINDS)
def test_it_works(alice: Tenant, kind: str) -> None:
    """An error about a task says about which."""
    wanted = uuid.uuid4()
    body = about(alice, kind, wanted).json()
    assert (body["code"], body["task_id"]) == ("task_not_found", str(wanted))


def test_a_finished_task_is_named_when_it_cannot_be_cancelled(alice: Tenant) -> None:
    task = Task.objects.create(
        owner=alice.user, prompt="?", model="local", filename="a", file_size=1, file_type="t", status=Status.COMPLETED
    )
    body = about(alice, "cancel", task.id).json()
    assert (body["code"], body["task_id"]) == ("task_finished", str(task.id))


def test_who_has_no_key_is_told_of_the_same_task(alice: Tenant) -> None:
    wanted = uuid.uuid4()
    client = alice.client
    client.credentials()
    body = client.get(f"/api/v2/status/{wanted}").json()
    assert (body["status"], body["task_id"]) == (401, str(wanted))


@pytest.mark.parametrize("path", [f"status/{'-' * 36}", "status/5", "nothing", "tasks?status=odd"])
def test_what_is_about_no_task_names_none(alice: Tenant, path: str) -> None:
    body = alice.client.get(f"/api/v2/{path}").json()
    assert body["status"] >= 400
    assert "task_id" not in body


def test_a_form_that_comes_too_slowly_is_a_timeout(alice: Tenant) -> None:
    response = send(alice, TimeoutError("the body did not arrive in time"))
    assert response.status_code == 408
    assert b'"code": "body_timeout"' in response.content
    assert b'"error_type": "timeout_error"' in response.content


def test_a_form_that_breaks_off_is_malformed(alice: Tenant) -> None:
    response = send(alice, ConnectionError("the body broke off"))
    assert response.status_code == 400
    assert b'"code": "malformed_body"' in response.content
