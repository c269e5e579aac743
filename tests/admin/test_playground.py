"""The playground is for those who may make tasks, and calls the API as nobody but them; tests/stack drives it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from modelsregistry.models import Provider, RegisteredModel
from modelsregistry.provisioning import provision
from processing.admin.playground import Choice
from processing.runtime import revisions
from processing.tasks.models import Task
from tests.admin.test_hostile_text import Elements
from tests.conftest import Tenant

URL = reverse("admin:processing_playground")
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(autouse=True)
def built_in(db: None) -> None:
    provision({})


@pytest.fixture
def dear() -> RegisteredModel:
    provider = Provider.objects.create(name="Office", kind="openai_compatible", base_url="http://127.0.0.1:9/v1")
    return RegisteredModel.objects.create(public_id="dear", name="Dear", provider=provider, upstream_id="d")


def choices(client: Client) -> dict[str, Choice]:
    found: list[Choice] = client.get(URL).context["models"]
    return {choice.value: choice for choice in found}


def strict(user: User) -> Client:
    """A browser of theirs, whose requests need a CSRF token."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    return client


def sent(client: Client, **headers: str) -> Any:
    file = SimpleUploadedFile("a.txt", b"The total is 42.")
    return client.post("/api/v2/process", {"file": file, "prompt": "What is the total?"}, headers=headers)


def test_it_works(as_root: Client) -> None:
    response = as_root.get(URL)
    page = response.content.decode()

    assert response.status_code == 200
    assert 'data-process="/api/v2/process" data-tasks="/api/v2/tasks"' in page
    assert "50.0\xa0MB" in page and "docx" in page


def test_who_may_add_tasks_sees_it(staff: Callable[..., Client]) -> None:
    clerk = staff("processing.add_task")

    assert clerk.get(URL).status_code == 200
    assert URL in clerk.get("/admin/").content.decode()
    assert clerk.get(URL).context["found"] == ""  # the list of tasks takes `view_task`


def test_other_staff_do_not(staff: Callable[..., Client]) -> None:
    clerk = staff("processing.view_task")

    assert clerk.get(URL).status_code == 403
    assert URL not in clerk.get("/admin/").content.decode()


@pytest.mark.parametrize("signed_in", [True, False])
def test_who_is_not_staff_is_sent_to_the_login(owner: User, *, signed_in: bool) -> None:
    client = Client()
    if signed_in:
        client.force_login(owner)
    response = client.get(URL)

    assert response.status_code == 302
    assert urlsplit(response["Location"]).path == reverse("admin:login")


def test_only_it_is_where_its_reader_is(as_root: Client) -> None:
    def here(url: str) -> list[str]:
        groups = as_root.get(url).context["sidebar_navigation"]
        return [item["link"] for group in groups for item in group["items"] if item["active"]]

    tasks = reverse("admin:processing_task_changelist")
    assert here(URL) == [URL]
    assert here(tasks) == [tasks]


class TestModels:
    def test_those_that_its_reader_may_use(
        self, as_root: Client, root: User, dear: RegisteredModel, owner: User
    ) -> None:
        assert {"", "local", "dear"} == set(choices(as_root))
        dear.allowed_users.add(owner)
        assert {"", "local"} == set(choices(as_root))
        dear.allowed_users.add(root)
        assert choices(as_root)["dear"] == Choice("dear", "Dear (dear)")

    def test_one_that_cannot_answer_cannot_be_chosen(self, as_root: Client, dear: RegisteredModel) -> None:
        RegisteredModel.objects.filter(pk=dear.pk).update(available=False)
        assert choices(as_root)["dear"] == Choice("dear", "Dear (dear): not available", is_available=False)
        assert '<option value="dear" disabled>' in as_root.get(URL).content.decode()

    def test_the_first_is_the_services_default(self, as_root: Client) -> None:
        assert choices(as_root)[""].words == "The default model (local)"

    def test_a_default_that_cannot_serve_is_not_named(self, as_root: Client, root: User) -> None:
        revisions.ConfigurationRevision.objects.create(overrides={"admin_model": "gone"}, changes={}, author=root)
        assert choices(as_root)[""].words == "The default model"

    def test_a_name_is_text_and_no_markup(self, as_root: Client, dear: RegisteredModel) -> None:
        RegisteredModel.objects.filter(pk=dear.pk).update(name=HOSTILE + "\u202e")
        page = as_root.get(URL).content.decode()
        assert HOSTILE not in page and "\u202e" not in page
        assert "&lt;img src=x" in page


class TestTheCallsThatItMakes:
    def test_they_need_the_pages_token(self, root: User) -> None:
        client = strict(root)
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', client.get(URL).content.decode())
        assert found is not None

        refused = sent(client)
        assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
        assert not Task.objects.exists()
        accepted = sent(client, **{"X-CSRFToken": found[1]})
        assert accepted.status_code == 200
        assert accepted.json()["ignored_fields"] == []
        task = Task.objects.get()
        assert (task.owner, task.api_key) == (root, None)

        address = f"/api/v2/tasks/{task.id}"
        assert client.delete(address).status_code == 403
        assert client.delete(address, headers={"X-CSRFToken": found[1]}).status_code == 200

    def test_another_tenants_task_is_not_there(self, root: User, as_root: Client, alice: Tenant) -> None:
        """Not even for a superuser: the page is no way round the list of tasks, which has its own permissions."""
        file = SimpleUploadedFile("a.txt", b"The total is 42.")
        fields = {"file": file, "prompt": "What is the total?"}
        task = alice.client.post("/api/v2/process", fields, format="multipart").json()["task_id"]

        for way in ("", "/events", "/pages/1.png", "/pages/1.json"):
            assert as_root.get(f"/api/v2/tasks/{task}{way}").status_code == 404
        assert as_root.delete(f"/api/v2/tasks/{task}").status_code == 404


def test_its_scripts_are_files_of_the_service(as_root: Client) -> None:
    page = as_root.get(URL).content.decode()
    own = page[page.index('<div id="playground"') : page.index('id="play-said"')]
    loaded = re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=\"([^\"]+)\"", page)

    assert [address for address in loaded if urlsplit(address).netloc] == []
    assert len([address for address in loaded if "/playground/" in address]) == 6
    assert Elements(own).handlers == []
    assert "<script" not in own and "style=" not in own
