"""Whatever string stands in whatever field: a clear refusal or a faithful answer, never a fault of ours.

Each field of every request that takes text gets every string of `tests.hostile`. What is refused is a problem that
names the field, and leaves nothing; what is taken comes back as it was sent.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from modelsregistry.models import Provider, RegisteredModel
from processing.access.models import AuditEntry
from processing.documents.models import StoredDocument
from processing.documents.store import display_name
from processing.runtime.models import ConfigurationRevision
from processing.runtime.parameters import MAX_PROMPT_LENGTH, Parameters
from processing.tasks.models import Task
from tests.admin.test_hostile_text import Elements
from tests.conftest import Tenant, tenant
from tests.hostile import FEW, big_list

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("as_often_as_one_likes")]
CONTENT = b"The total is 12 euros."
UNSTORABLE = ["a\x00b", "\ud800", "a\udfffb"]  # no database takes them
OPTIONS = (
    *("temperature", "max_tokens", "vision_mode", "pdf_extract_images", "rag_full_context", "top_k", "chunk_size"),
    *("bypass_embedding_and_retrieval", "enable_hybrid_search", "chunk_overlap", "skip_cache", "file_id"),
)
NAMES_OF_MODELS = ("id", "name", "provider", "upstream_id")


@pytest.fixture(params=["few", "big list"])
def strings(request: pytest.FixtureRequest) -> list[str]:
    return FEW if request.param == "few" else big_list()


@pytest.fixture
def admin() -> Tenant:
    found = tenant("boss")
    kinds = ("configurationrevision", "registeredmodel")
    found.user.user_permissions.set(Permission.objects.filter(content_type__model__in=kinds))
    found.key.scopes = ["admin"]
    found.key.save()
    Provider.objects.create(name="Office", kind="openai_compatible", base_url="http://127.0.0.1:9/v1")
    return found


def counted() -> tuple[int, ...]:
    kinds = (Task, StoredDocument, RegisteredModel, ConfigurationRevision, AuditEntry)
    return tuple(kind._default_manager.count() for kind in kinds)


def refused(response: Any, *statuses: int) -> dict[str, Any]:
    """The problem, which must be one of these, complete, and silent about our insides."""
    assert response.status_code in (statuses or (422,)), response.content
    assert response["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    wanted = {"type", "title", "status", "detail", "error_type", "code", "timestamp", "request_id"}
    assert wanted <= body.keys()
    assert "Traceback" not in response.content.decode()
    return body


def send(who: Tenant, method: str, url: str, body: Any) -> Any:
    """In ASCII, as which JSON can say what no UTF-8 can."""
    return who.client.generic(method, url, json.dumps(body), "application/json")


def text_file(name: str = "a.txt") -> SimpleUploadedFile:
    file = SimpleUploadedFile("a.txt", CONTENT)
    file.name = name  # which Django would rather have cleaned
    return file


@pytest.fixture
def ask(alice: Tenant) -> Callable[..., Any]:
    client = alice.client

    def send(**fields: Any) -> Any:
        given = {"file": text_file(), "prompt": "What is the total?", "model": "local", "dedupe": "false", **fields}
        return client.post("/api/v2/process", {name: value for name, value in given.items() if value is not None})

    return send


def test_it_works(ask: Callable[..., Any], alice: Tenant, strings: list[str]) -> None:
    """A prompt is asked as it was sent, or refused for its length."""
    for text in strings:
        response = ask(prompt=text)
        stripped = text.strip()
        if not 5 <= len(stripped) <= MAX_PROMPT_LENGTH or "\x00" in text:
            assert list(refused(response)["errors"]) == ["prompt"], text
        else:
            assert response.status_code == 200, (text, response.content)
            assert Task.objects.latest("seq").prompt == stripped
    listed = alice.client.get("/api/v2/tasks")
    assert listed.status_code == 200


@pytest.mark.parametrize("field", OPTIONS)
def test_an_option_that_is_none(ask: Callable[..., Any], strings: list[str], field: str) -> None:
    for text in strings:
        before = counted()
        response = ask(**{field: text, "file": None if field == "file_id" else text_file()})
        if response.status_code == 200:
            assert counted()[0] == before[0] + 1
            continue
        told = refused(response, 404) if field == "file_id" and response.status_code == 404 else refused(response)
        assert field == "file_id" or list(told["errors"]) == [field], (text, told)
        assert counted() == before


def test_a_model_of_any_name(ask: Callable[..., Any], strings: list[str]) -> None:
    before = counted()
    for text in strings:
        if text.strip() in ("", "local"):
            continue
        refused(ask(model=text))
    assert counted() == before


def test_a_file_of_any_name(alice: Tenant, strings: list[str]) -> None:
    """It is stored under a name that is fit to be shown, and a path that nothing of it is part of; and its pages in the
    admin say so. The client cannot send a line break in a header."""
    client = alice.client
    for text in strings:
        name = text.replace("\r", "").replace("\n", "") + ".txt"
        response = client.post("/api/v2/upload", {"file": text_file(name)})
        if response.status_code != 201:
            assert refused(response, 415, 422)["code"] in ("blocked_type", "unsupported_type", "file_required"), text
            continue
        stored = StoredDocument.objects.get(pk=response.json()["file_id"])
        assert stored.path == f"documents/{alice.user.pk}/{stored.sha256[:2]}/{stored.sha256}"
        assert stored.filename == display_name(stored.filename)
        assert "/" not in stored.filename
        assert response.json()["filename"] == stored.filename
    assert client.get("/api/v2/upload?page_size=500").status_code == 200
    assert not any(Path(settings.FILE_UPLOAD_TEMP_DIR).iterdir())


def test_what_was_taken_is_shown_in_the_admin(ask: Callable[..., Any], strings: list[str]) -> None:
    for text in strings[:: len(strings) // 10]:
        ask(prompt=f"What? {text}", file=text_file(text.replace("\r", "").replace("\n", "")[:200] + ".txt"))
    browser = Client()
    browser.force_login(User.objects.create_superuser("root", password="pw"))
    for kind in ("task", "storeddocument", "auditentry"):
        assert browser.get(f"/admin/processing/{kind}/").status_code == 200
    for task in Task.objects.all():
        page = browser.get(f"/admin/processing/task/{task.pk}/change/")
        assert page.status_code == 200
        assert Elements(page.content.decode()).handlers == []


@pytest.mark.parametrize("field", NAMES_OF_MODELS)
def test_a_registered_model(admin: Tenant, strings: list[str], field: str) -> None:
    client = admin.client
    for text in [*strings, *UNSTORABLE]:
        before = counted()
        response = send(admin, "POST", "/admin/models", {"id": "model", "provider": "Office", field: text})
        if response.status_code in (200, 201):
            model_id = response.json()["id"]
            read = client.get(f"/admin/models/{quote(model_id, safe='/')}")
            assert read.status_code in (200, 404), text  # a server normalises what looks like a directory
            assert client.get("/api/v1/models").status_code == 200
            assert response.json()["name" if field in ("id", "provider") else field] is not None
        else:
            refused(response)
            assert counted() == before


@pytest.mark.parametrize("field", ["description", "refused_fields", "fallbacks", "allowed_users", "allowed_groups"])
def test_the_lists_and_texts_of_a_model(admin: Tenant, strings: list[str], field: str) -> None:
    for text in [*strings, *UNSTORABLE]:
        body = {"meta": {"description": text}} if field == "description" else {field: [text]}
        response = send(admin, "PATCH", "/admin/models/local", body)
        if response.status_code != 200:
            refused(response)
            continue
        told = response.json()
        assert field == "description" or told[field] == [text.strip()] or told[field] == [], text


def leaves(model: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every parameter by its path, whatever is added."""
    for name, field in model.model_fields.items():
        inner = field.annotation
        if hasattr(inner, "model_fields"):
            yield from leaves(inner, (*path, name))
        else:
            yield (*path, name)


def nested(path: tuple[str, ...], value: Any) -> Any:
    for name in reversed(path):
        value = {name: value}
    return value


@pytest.mark.parametrize("path", list(leaves(Parameters)), ids=".".join)
def test_a_parameter_of_the_configuration(admin: Tenant, path: tuple[str, ...]) -> None:
    """A text in the place of any of them, alone and in a list: named in the refusal, or taken and shown."""
    client = admin.client
    odd: list[Any] = [True, -1, 10**30, 1.5, [[]], {}, *UNSTORABLE]
    for value in [*odd, *FEW[:5], FEW[6], [FEW[6]], {FEW[6]: FEW[6]}]:
        before = counted()
        response = send(admin, "POST", "/admin/config", {"api_v2": nested(path, value)})
        if response.status_code != 200:
            told = refused(response)
            assert value in UNSTORABLE or any(name.startswith(path[0]) for name in told["errors"]), value
            assert counted() == before
    assert client.get("/api/v1/configs").status_code == 200
    assert client.get("/api/v2/config").status_code == 200


@pytest.mark.parametrize("place", ["reason", "key", "key within"])
def test_words_around_the_configuration(admin: Tenant, strings: list[str], place: str) -> None:
    for text in [*strings, *UNSTORABLE]:
        before = counted()
        body: Any = {"api_v2": {"timeout": 60}, "reason": text}
        if place != "reason":
            body = {text: 1} if place == "key" else {"api_v2": {text: 1}}
        response = send(admin, "POST", "/admin/config", body)
        if response.status_code == 200:
            assert place == "reason"
        else:
            refused(response, 400, 422)
            assert counted() == before


@pytest.mark.parametrize(
    "path", ["/api/v2/status/{}", "/api/v2/tasks/{}", "/api/v2/upload/{}", "/admin/models/{}", "/api/v2/{}", "/{}"]
)
def test_a_path_of_any_words(admin: Tenant, strings: list[str], path: str) -> None:
    client = admin.client
    for text in strings:
        for method in ("get", "delete"):
            response = getattr(client, method)(path.format(quote(text, safe="")))
            assert response.status_code < 500, (method, text)


@pytest.mark.parametrize("name", ["status", "cursor", "page_size", "erase", "unheard-of"])
def test_a_query_of_any_words(alice: Tenant, strings: list[str], name: str) -> None:
    client = alice.client
    for text in strings:
        for url in ("/api/v2/tasks", "/api/v2/upload"):
            response = client.get(url, {name: text})
            if response.status_code != 200:
                refused(response, 404, 422)


@pytest.mark.parametrize(
    "name", ["Authorization", "X-Request-ID", "Accept", "Content-Type", "X-Forwarded-For", "Cookie"]
)
def test_a_header_of_any_words(alice: Tenant, strings: list[str], name: str) -> None:
    for text in strings:
        value = text.encode().decode("latin-1").replace("\r", "").replace("\n", "")  # as it comes from a server
        for prefix in ("", "Bearer sk-") if name == "Authorization" else ("",):
            response = alice.client.post("/api/v2/upload", {"file": text_file()}, headers={name: prefix + value})
            assert response.status_code < 500, (name, text)
            assert "\n" not in response["X-Request-ID"]
