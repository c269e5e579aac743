"""What is done in the admin and by the administrator's API stands in the audit, which is read and never written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from modelsregistry.models import Provider, RegisteredModel
from modelsregistry.provisioning import provision
from processing.access import audit
from processing.access.audit import Actor, Target
from processing.access.models import AuditEntry
from processing.documents.models import StoredDocument
from processing.tasks.models import Task
from tests.admin.conftest import make_task
from tests.admin.test_accounts import JOINED, USERS, change
from tests.admin.test_hostile_text import HOSTILE, SCRIPT, Elements
from tests.admin.test_models import CANARY, FORM, MODELS, PROVIDERS
from tests.conftest import tenant, untold_key

LIST = "/admin/processing/auditentry/"
pytestmark = pytest.mark.django_db


def latest() -> AuditEntry:
    return AuditEntry.objects.latest("id")


def told() -> tuple[str, str, str]:
    entry = latest()
    return entry.target_kind, entry.action, entry.target_name


@pytest.fixture
def provider(db: None) -> Provider:
    return Provider.objects.create(name="Office", kind="openai_compatible", base_url="https://models.example.com/v1")


@pytest.fixture
def model(provider: Provider) -> RegisteredModel:
    return RegisteredModel.objects.create(public_id="m", name="M", provider=provider, upstream_id="m")


def test_it_works(as_root: Client, root: User) -> None:
    as_root.post(PROVIDERS + "add/", {**FORM, "new_secret": CANARY}, headers={"X-Request-ID": "trace-7"})
    entry = latest()
    assert told() == ("provider", "created", "Office")
    assert (entry.door, entry.actor_id, entry.actor_name, entry.request_id) == ("admin", root.pk, "root", "trace-7")
    assert entry.changes["base_url"] == {"to": "https://models.example.com/v1"}
    assert entry.changes["secret_encrypted"] == {"to": "(set)"}
    page = as_root.get(LIST).content.decode()
    assert "Office" in page
    one = as_root.get(reverse("admin:processing_auditentry_change", args=[entry.pk])).content.decode()
    assert "models.example.com" in one
    assert CANARY not in page + one + str(entry.changes)


def test_a_change_tells_what_was_before(as_root: Client, provider: Provider) -> None:
    as_root.post(f"{PROVIDERS}{provider.pk}/change/", {**FORM, "timeout": "60"})
    assert latest().changes == {"timeout": {"from": None, "to": 60.0}}


def test_saving_without_a_change_is_no_entry(as_root: Client, provider: Provider) -> None:
    as_root.post(f"{PROVIDERS}{provider.pk}/change/", {**FORM, "timeout": ""})
    assert not AuditEntry.objects.exists()


def test_a_form_with_an_error_is_no_entry(as_root: Client, provider: Provider) -> None:
    as_root.post(f"{PROVIDERS}{provider.pk}/change/", {**FORM, "stall_timeout": "-1"})
    assert not AuditEntry.objects.exists()


def test_who_may_use_a_model_is_told_by_name(as_root: Client, model: RegisteredModel, owner: User) -> None:
    form = {
        "public_id": "m",
        "name": "M",
        "provider": model.provider_id,
        "upstream_id": "m",
        "refused_fields": "",
        "fallbacks": "",
        "enabled": "on",
        "allowed_users": [owner.pk],
    }
    as_root.post(f"{MODELS}{model.pk}/change/", form)
    assert told() == ("model", "changed", "m")
    assert latest().changes == {
        "is_limited": {"from": False, "to": True},
        "allowed_users": {"from": [], "to": ["ada"]},
    }


@pytest.mark.parametrize("way", ["one", "selected"])
def test_a_deletion_tells_what_was_there(as_root: Client, model: RegisteredModel, way: str) -> None:
    if way == "one":
        as_root.post(f"{MODELS}{model.pk}/delete/", {"post": "yes"})
    else:
        chosen = {"action": "delete_selected", "_selected_action": [model.pk], "post": "yes"}
        as_root.post(MODELS, chosen)
    assert not RegisteredModel.objects.filter(pk=model.pk).exists()
    assert told() == ("model", "deleted", "m")
    assert latest().changes["upstream_id"] == "m"


def test_users_groups_and_rights(as_root: Client, owner: User) -> None:
    permission = Permission.objects.get(codename="cancel_task")
    change(as_root, owner, is_staff="on", user_permissions=[permission.pk])
    assert told() == ("user", "changed", "ada")
    assert latest().changes["is_staff"] == {"from": False, "to": True}
    assert "Can cancel a task" in latest().changes["user_permissions"]["to"][0]

    as_root.post("/admin/auth/group/add/", {"name": "readers", "permissions": [permission.pk]})
    assert told() == ("group", "created", "readers")
    group = Group.objects.get()
    as_root.post(f"/admin/auth/group/{group.pk}/delete/", {"post": "yes"})
    assert told() == ("group", "deleted", "readers")


def test_a_password_is_told_of_and_not_told(as_root: Client, owner: User) -> None:
    phrase = "a long phrase 77"
    form = {"password1": phrase, "password2": phrase, "usable_password": "true", "set-password": "1"}
    as_root.post(f"{USERS}{owner.pk}/password/", form)
    owner.refresh_from_db()
    assert owner.check_password(phrase)
    assert told() == ("user", "password_set", "ada")
    form = {"username": "new", "usable_password": "true", "password1": phrase, "password2": phrase}
    as_root.post(USERS + "add/", form)
    assert told() == ("user", "created", "new")
    as_root.post(f"{USERS}{owner.pk}/change/", {"username": "ada", "email": "a@example.com", **JOINED})
    entries = str([entry.changes for entry in AuditEntry.objects.all()])
    assert phrase not in entries
    assert "md5" not in entries


def test_a_task_cancelled_by_an_administrator(as_root: Client, document: StoredDocument) -> None:
    task = make_task(document)
    as_root.post("/admin/processing/task/", {"action": "cancel", "_selected_action": [task.pk]})
    entry = latest()
    assert (entry.action, entry.target_id, entry.actor_name) == ("cancelled", str(task.id), "root")
    assert document.filename not in str(entry.__dict__)


def test_a_task_cancelled_by_its_owner(document: StoredDocument) -> None:
    key, secret = untold_key(document.owner, "test")
    task = make_task(document)
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    client.delete(f"/api/v2/tasks/{task.id}")
    client.delete(f"/api/v2/tasks/{task.id}")  # It has ended: nothing is done.
    entry = AuditEntry.objects.get()
    assert (entry.door, entry.action, entry.actor_name, entry.actor_key) == ("api", "cancelled", "ada", key.prefix)
    assert Task.objects.get().status == "cancelled"


def test_the_administrators_api(db: None) -> None:
    provision({})
    admin = tenant("boss", is_superuser=True)
    admin.key.scopes = ["admin"]
    admin.key.save()
    Provider.objects.create(name="Office", kind="openai_compatible", base_url="http://127.0.0.1:9/v1")
    body = {"id": "gpt", "name": "G", "meta": {"vision": True}}

    admin.client.post("/admin/models", body, format="json")
    assert told() == ("model", "created", "gpt")
    assert latest().changes["vision"] == {"to": True}
    assert latest().actor_key == admin.key.prefix
    admin.client.post("/admin/models", {**body, "name": "H"}, format="json")
    assert (latest().action, latest().changes) == ("changed", {"name": {"from": "G", "to": "H"}})
    admin.client.patch("/admin/models/gpt", {"allowed_users": ["boss"]}, format="json")
    assert latest().changes["allowed_users"] == {"from": [], "to": ["boss"]}
    count = AuditEntry.objects.count()
    assert admin.client.patch("/admin/models/gpt", {"allowed_users": ["nobody"]}, format="json").status_code == 422
    assert AuditEntry.objects.count() == count
    admin.client.delete("/admin/models/gpt")
    assert told() == ("model", "deleted", "gpt")


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_what_strangers_wrote_is_shown_and_does_nothing(as_root: Client, text: str) -> None:
    audit.record(Actor("api", 1, text, text, text), "changed", Target("model", text, text), {text: text})
    for url in (LIST, reverse("admin:processing_auditentry_change", args=[latest().pk])):
        page = as_root.get(url).content.decode()
        assert Elements(page).handlers == []
        assert SCRIPT not in page
        assert "\u202e" not in page


def test_entries_are_found_by_kind_action_actor_time_and_name(as_root: Client) -> None:
    audit.record(Actor("api", 1, "ada"), "revoked", Target("key", "1", "laptop"))
    audit.record(Actor("admin", 2, "bob"), "changed", Target("model", "2", "gpt"))
    wanted: list[dict[str, Any]] = [
        {"kind": "model"},
        {"action": "changed"},
        {"who": "bob"},
        {"through": "admin"},
        {"q": "gpt"},
        {"kind": "model", "target_id": "2"},
    ]
    for query in wanted:
        found = as_root.get(LIST, query)
        assert found.status_code == 200, query
        assert [entry.target_name for entry in found.context["cl"].result_list] == ["gpt"], query
    assert as_root.get(LIST, {"who": "x" * 500, "kind": "nothing"}).status_code == 200
    assert as_root.get(LIST, {"at__gte": "2020-01-01 00:00:00+00:00"}).context["cl"].result_list.count() == 2


def test_the_list_counts_and_sorts_nothing(as_root: Client) -> None:
    audit.record(Actor("api", 1, "ada"), "revoked", Target("key", "1", "laptop"))
    with CaptureQueriesContext(
        connection,
    ) as asked:
        as_root.get(LIST)
    about = [query["sql"] for query in asked if "processing_auditentry" in query["sql"]]
    assert about
    assert not [sql for sql in about if "COUNT(" in sql]
    assert all("LIMIT" in sql for sql in about), about


@pytest.mark.parametrize("path", ["add/", "1/delete/", "1/change/"])
def test_nobody_writes_one(as_root: Client, path: str) -> None:
    audit.record(Actor("api"), "revoked", Target("key", "1"))
    path = path.replace("1", str(latest().pk))
    assert as_root.post(LIST + path, {"action": "x", "post": "yes"}).status_code == 403


def test_it_takes_a_permission_of_its_own(staff: Callable[..., Client]) -> None:
    assert staff("processing.view_task", "processing.view_apikey").get(LIST).status_code == 403
    User.objects.filter(username="clerk").delete()
    assert staff("processing.view_auditentry").get(LIST).status_code == 200
