"""Administrators see who changed the configuration, go back, and move it elsewhere; two of them do not undo each other
unawares."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from rest_framework.test import APIClient

from modelsregistry.models import RegisteredModel
from modelsregistry.provisioning import provision
from processing.access.models import AuditEntry
from processing.runtime import configuration
from processing.runtime.models import ConfigurationRevision
from tests.conftest import Tenant, tenant

URL = "/admin/config"
HISTORY = "/admin/config/revisions"
EXPORT = "/admin/config/export"
IMPORT = "/admin/config/import"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def built_in() -> None:
    provision({})


@pytest.fixture
def admin() -> Tenant:
    return administrator("admin")


def administrator(name: str, *verbs: str) -> Tenant:
    found = tenant(name)
    allowed = Permission.objects.filter(content_type__model="configurationrevision")
    if verbs:
        allowed = allowed.filter(codename__in=[f"{verb}_configurationrevision" for verb in verbs])
    found.user.user_permissions.set(allowed)
    found.key.scopes = ["admin"]
    found.key.save()
    return found


def post(who: Tenant, body: Any, url: str = URL, **headers: str) -> Any:
    return who.client.post(url, body, format="json", headers=headers)


def local() -> RegisteredModel:
    return RegisteredModel.objects.get(public_id="local")


def test_it_works(admin: Tenant) -> None:
    post(admin, {"api_v2": {"timeout": 60}, "reason": "short documents"})
    post(admin, {"api_v2": {"timeout": 90, "enable_vision": False}})
    listed = admin.client.get(HISTORY).json()
    assert [row["revision"] for row in listed["results"]] == [2, 1]
    assert (listed["next"], listed["previous"]) == (None, None)
    second, first = listed["results"]
    assert (first["author"], first["reason"]) == ("admin", "short documents")
    assert isinstance(first["created_at"], float)
    assert second["changes"] == [
        {"setting": "enable_vision", "old": None, "new": False},
        {"setting": "timeout", "old": 60, "new": 90},
    ]
    one = admin.client.get(f"{HISTORY}/1").json()
    assert one == {**first, "api_v2": {"timeout": 60}, "not_understood": {}}

    back = post(admin, {"reason": "too slow"}, f"{HISTORY}/1/restore")
    assert back.status_code == 200
    assert (back.json()["api_v2"]["timeout"], back.json()["api_v2"]["enable_vision"]) == (60, True)
    assert back.json()["revision"] == 3
    assert admin.client.get(f"{HISTORY}/3").json()["reason"] == "Return to revision 1: too slow"


def test_a_long_history_comes_in_pages(admin: Tenant) -> None:
    for number in range(1, 6):
        ConfigurationRevision.objects.create(pk=number, overrides={"timeout": number})
    page = admin.client.get(HISTORY, {"page_size": 2}).json()
    seen = [row["revision"] for row in page["results"]]
    while page["next"]:
        page = admin.client.get(page["next"]).json()
        seen += [row["revision"] for row in page["results"]]
    assert seen == [5, 4, 3, 2, 1]


def test_who_restores_needs_no_body(admin: Tenant) -> None:
    post(admin, {"api_v2": {"timeout": 60}})
    post(admin, {"api_v2": {"timeout": 90}})
    assert admin.client.post(f"{HISTORY}/1/restore").json()["api_v2"]["timeout"] == 60


def test_the_registry_goes_back_too(admin: Tenant) -> None:
    post(admin, {"model_configs": {"local": {"temperature": 0.1, "timeout": 60}}})
    post(admin, {"model_configs": {"local": {"temperature": 0.9, "max_tokens": 50}}})
    assert (local().temperature, local().max_tokens, local().timeout) == (0.9, 50, 60)
    RegisteredModel.objects.update(timeout=77)  # as in the admin site
    post(admin, {}, f"{HISTORY}/1/restore")
    assert (local().temperature, local().max_tokens, local().timeout) == (0.1, None, 60)
    shown = admin.client.get(URL).json()
    assert shown["api_v2"]["model_configs"]["local"] == {"temperature": 0.1, "max_tokens": None, "timeout": 60}


def test_what_this_version_does_not_understand_is_put_back_only_when_told(admin: Tenant) -> None:
    ConfigurationRevision.objects.create(pk=1, overrides={"gone": 1, "timeout": 60, "max_tokens": -1})
    post(admin, {"api_v2": {"timeout": 90}})
    assert set(admin.client.get(f"{HISTORY}/1").json()["not_understood"]) == {"gone", "max_tokens"}
    refused = post(admin, {}, f"{HISTORY}/1/restore")
    assert (refused.status_code, set(refused.json()["errors"])) == (422, {"gone", "max_tokens"})
    assert configuration.current().parameters.timeout == 90
    body = post(admin, {"skip_invalid": True}, f"{HISTORY}/1/restore").json()
    assert (body["api_v2"]["timeout"], body["api_v2"]["max_tokens"]) == (60, 8000)


@pytest.mark.parametrize("revision", ["7", "0", "999999999999999999"])
def test_a_revision_that_is_not_there_is_404(admin: Tenant, revision: str) -> None:
    assert admin.client.get(f"{HISTORY}/{revision}").json()["code"] == "revision_not_found"
    assert post(admin, {}, f"{HISTORY}/{revision}/restore").status_code == 404


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ([1], "body"),
        ({"why": "x"}, "why"),
        ({"reason": 5}, "reason"),
        ({"reason": "nul\0"}, "reason"),
        ({"reason": "x" * 501}, "reason"),
        ({"skip_invalid": "yes"}, "skip_invalid"),
    ],
)
def test_a_malformed_restore_is_refused(admin: Tenant, body: Any, key: str) -> None:
    post(admin, {"api_v2": {"timeout": 60}})
    response = post(admin, body, f"{HISTORY}/1/restore")
    assert (response.status_code, list(response.json()["errors"])) == (422, [key])
    assert ConfigurationRevision.objects.count() == 1


def test_who_may_only_look_changes_nothing() -> None:
    reader = administrator("reader", "view")
    configuration.change({"timeout": 60}, author=None)
    for url in (URL, HISTORY, f"{HISTORY}/1", EXPORT, "/api/v1/configs"):
        assert reader.client.get(url).status_code == 200, url
    for url in (URL, f"{HISTORY}/1/restore", IMPORT):
        assert post(reader, {"api_v2": {}}, url).status_code == 403, url


def test_a_stranger_sees_nothing(mallory: Tenant) -> None:
    configuration.change({"timeout": 60}, author=None)
    for url in (HISTORY, f"{HISTORY}/1", f"{HISTORY}/9", EXPORT):
        assert mallory.client.get(url).status_code == 403, url
        assert APIClient().get(url).status_code == 401, url
    for url in (f"{HISTORY}/1/restore", IMPORT):
        assert post(mallory, {"api_v2": {}}, url).status_code == 403, url


# Two administrators at once


def test_the_etag_is_the_revision(admin: Tenant) -> None:
    assert admin.client.get(URL)["ETag"] == '"0"'
    response = post(admin, {"api_v2": {"timeout": 60}}, **{"If-Match": '"0"'})
    assert (response.status_code, response["ETag"]) == (200, '"1"')
    assert admin.client.get("/api/v1/configs")["ETag"] == admin.client.get(EXPORT)["ETag"] == '"1"'


@pytest.mark.parametrize("tag", ['"1"', 'W/"1"', "1", "*", ' "1" '])
def test_the_newest_revision_matches(admin: Tenant, tag: str) -> None:
    post(admin, {"api_v2": {"timeout": 60}})
    assert post(admin, {"api_v2": {"timeout": 90}}, **{"If-Match": tag}).status_code == 200


@pytest.mark.parametrize("tag", ['"0"', '"2"', "", '""', '"one"', '"0", "1"', '"' + "9" * 400 + '"', "\xb2"])
@pytest.mark.parametrize("url", [URL, f"{HISTORY}/1/restore", IMPORT, f"{IMPORT}?dry_run=true"])
def test_another_revision_is_412_and_nothing_is_applied(admin: Tenant, tag: str, url: str) -> None:
    post(admin, {"api_v2": {"timeout": 60}})
    body = {} if url.endswith("restore") else {"api_v2": {"timeout": 90}}
    response = post(admin, body, url, **{"If-Match": tag})
    assert response.status_code == 412
    problem = response.json()
    assert (problem["code"], problem["error_type"]) == ("revision_mismatch", "validation_error")
    assert ConfigurationRevision.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_many_who_read_the_same_revision_one_changes_it() -> None:
    provision({})
    admins = [administrator(f"admin-{number}") for number in range(5)]
    together = threading.Barrier(len(admins))
    statuses: list[int] = []

    def change(who: Tenant, seconds: int) -> None:
        try:
            together.wait()
            statuses.append(post(who, {"api_v2": {"timeout": seconds}}, **{"If-Match": '"0"'}).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=change, args=(who, 10 + number)) for number, who in enumerate(admins)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 412, 412, 412, 412]
    assert ConfigurationRevision.objects.count() == 1


# Moving it elsewhere


def test_what_is_exported_can_be_imported(admin: Tenant) -> None:
    post(admin, {"api_v2": {"timeout": 60, "model_configs": {"local": {"temperature": 0}, "gpt-4.1": {"timeout": 9}}}})
    RegisteredModel.objects.update(max_tokens=77)  # as in the admin site
    response = admin.client.get(EXPORT)
    assert response["Content-Disposition"] == 'attachment; filename="api-v2-configuration-1.json"'
    exported = response.json()
    assert exported["api_v2"] == {
        "timeout": 60,
        "model_configs": {"local": {"temperature": 0, "max_tokens": 77}, "gpt-4.1": {"timeout": 9}},
    }
    post(admin, {"api_v2": {"timeout": None, "model_configs": None, "max_tokens": 5}})
    assert local().max_tokens is None

    imported = post(admin, exported, f"{IMPORT}?reason=from+the+old+server")
    assert imported.status_code == 200
    body = imported.json()
    assert (body["api_v2"]["timeout"], body["sources"]["max_tokens"], body["dry_run"]) == (60, "default", False)
    assert {"setting": "max_tokens", "old": 5, "new": None} in body["changes"]
    assert (local().temperature, local().max_tokens) == (0, 77)
    newest = ConfigurationRevision.objects.first()
    assert newest is not None
    assert newest.reason == "from the old server"


def test_a_dry_run_changes_nothing(admin: Tenant) -> None:
    post(admin, {"api_v2": {"timeout": 60}})
    body = post(admin, {"api_v2": {"timeout": 90}}, f"{IMPORT}?dry_run=true").json()
    assert body["changes"] == [{"setting": "timeout", "old": 60, "new": 90}]
    assert (body["dry_run"], body["revision"], body["api_v2"]["timeout"]) == (True, 1, 60)
    assert AuditEntry.objects.count() == 1


def test_the_guides_backup_can_be_imported(admin: Tenant) -> None:
    """It is a copy of /api/v1/configs, defaults and all; what had been set is taken."""
    post(admin, {"api_v2": {"timeout": 60}, "model_configs": {"local": {"temperature": 0.5}}})
    backup = admin.client.get("/api/v1/configs").json()
    post(admin, {"api_v2": {"timeout": 90, "model_configs": None}})
    assert post(admin, backup, IMPORT).status_code == 200
    newest = ConfigurationRevision.objects.first()
    assert newest is not None
    assert newest.overrides == {"timeout": 60, "model_configs": {"local": {"temperature": 0.5}}}
    assert local().temperature == 0.5


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ([], "api_v2"),
        ({}, "api_v2"),
        ({"api_v2": 5}, "api_v2"),
        ({"api_v2": {}, "api_v3": {}}, "api_v3"),
        ({"api_v2": {"timeout": "60"}}, "timeout"),
        ({"api_v2": {"timeout": 60, "gone": 1}}, "gone"),
        ({"api_v2": {"model_configs": {"local": {"temperature": 9}}}}, "model_configs.local.temperature"),
        ({"api_v2": {"timeout": 60}, "sources": 5}, "sources"),
    ],
)
@pytest.mark.parametrize("query", ["", "?dry_run=true"])
def test_what_is_no_configuration_is_refused_whole(admin: Tenant, body: Any, key: str, query: str) -> None:
    response = post(admin, body, IMPORT + query)
    assert (response.status_code, list(response.json()["errors"])) == (422, [key])
    assert not ConfigurationRevision.objects.exists()
    assert local().temperature is None


@pytest.mark.parametrize("query", ["dry_run=perhaps", "reason=" + "x" * 501])
def test_a_malformed_query_is_refused(admin: Tenant, query: str) -> None:
    assert post(admin, {"api_v2": {"timeout": 60}}, f"{IMPORT}?{query}").status_code == 422
    assert not ConfigurationRevision.objects.exists()


# Bad input


@pytest.mark.parametrize("url", [URL, IMPORT])
def test_a_name_given_twice_is_told(admin: Tenant, url: str) -> None:
    body = b'{"api_v2": {"timeout": 60, "enabled": true, "timeout": 90}}'
    response = admin.client.post(url, body, content_type="application/json")
    assert (response.status_code, response.json()["code"]) == (422, "duplicate_key")
    assert list(response.json()["errors"]) == ["api_v2.timeout"]
    assert not ConfigurationRevision.objects.exists()


def test_a_huge_body_is_refused(admin: Tenant) -> None:
    body = json.dumps({"api_v2": {"admin_model": "x" * 3_000_000}})
    response = admin.client.post(URL, body, content_type="application/json")
    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    "body",
    [
        b'{"api_v2": {"temperature": NaN}}',
        b'{"api_v2": {"temperature": Infinity}}',
        b'{"api_v2": {"timeout": 1e9999}}',
        b'{"api_v2": {"timeout": ' + b"9" * 5000 + b"}}",
        rb'{"api_v2": {"timeout": 60}, "reason": "\ud800"}',
        rb'{"api_v2": {"timeout": 60}, "reason": "\u0000"}',
        rb'{"api_v2": {"model_configs": {"\udfff": {"timeout": 5}}}}',
        rb'{"api_v2": {"model_configs": {"\u0000": {"timeout": 5}}}}',
        b'{"api_v2": {"rate_limits": ' + b'{"per_hour":' * 60 + b"1" + b"}" * 62,
        b'{"api_v2": ' + b"[" * 90 + b"]" * 90 + b"}",
    ],
)
@pytest.mark.parametrize("url", [URL, IMPORT])
def test_hostile_json_is_refused(admin: Tenant, url: str, body: bytes) -> None:
    response = admin.client.post(url, body, content_type="application/json")
    assert response.status_code in (400, 422)
    assert not ConfigurationRevision.objects.exists()


# Who did it


def test_each_change_is_in_the_audit_trail(admin: Tenant) -> None:
    post(admin, {"api_v2": {"timeout": 60}}, **{"X-Request-ID": "one"})
    post(admin, {"model_configs": {"local": {"temperature": 0.5}}})
    post(admin, {}, f"{HISTORY}/1/restore")
    post(admin, {"api_v2": {"timeout": 90}}, IMPORT)
    entries = AuditEntry.objects.filter(target_kind="configuration").order_by("id")
    assert [(entry.action, entry.target_id) for entry in entries] == [
        ("changed", "1"),
        ("changed", "2"),
        ("restored", "3"),
        ("imported", "4"),
    ]
    first = entries[0]
    assert (first.door, first.actor_id, first.actor_name) == ("api", admin.user.pk, "admin")
    assert (first.actor_key, first.request_id) == (admin.key.prefix, "one")
    assert first.changes == {"timeout": {"old": None, "new": 60}}
    of_model = AuditEntry.objects.filter(target_kind="model").order_by("id")
    assert [(entry.target_name, entry.changes) for entry in of_model] == [
        ("local", {"temperature": 0.5}),
        ("local", {"temperature": None}),
    ]


def test_what_changes_nothing_is_not_told(admin: Tenant) -> None:
    post(admin, {"api_v2": {"timeout": 60}})
    post(admin, {"api_v2": {"timeout": 60}})
    post(admin, {"api_v2": {"timeout": "x"}})
    assert AuditEntry.objects.count() == 1
