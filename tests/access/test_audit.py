"""The audit tells who did what, holds no secret, and is added to and nothing else."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from modelsregistry.models import Provider
from processing.access import audit
from processing.access.audit import Actor, Target
from processing.access.models import AuditEntry
from tests.conftest import Tenant

pytestmark = pytest.mark.django_db
KEY = Target("key", "7", "laptop")


def recorded(**changes: Any) -> AuditEntry:
    audit.record(Actor("api", 1, "alice", "sk-abcde", "trace-1"), "revoked", KEY, changes)
    return AuditEntry.objects.latest("id")


def test_it_works() -> None:
    entry = recorded(expires_at={"from": None, "to": "2026-05-03"})
    assert (entry.actor_id, entry.actor_name, entry.actor_key, entry.request_id) == (1, "alice", "sk-abcde", "trace-1")
    assert (entry.door, entry.action, str(entry)) == ("api", "revoked", "key laptop revoked")
    assert entry.changes == {"expires_at": {"from": None, "to": "2026-05-03"}}
    assert entry.at is not None


@pytest.mark.parametrize(
    "attempt",
    [
        lambda entry: AuditEntry.objects.filter(pk=entry.pk).update(actor_name="bob"),
        lambda entry: AuditEntry.objects.filter(pk=entry.pk).delete(),
        lambda entry: AuditEntry.objects.all()._raw_delete("default"),
        lambda entry: entry.delete(),
        lambda entry: entry.save(),
        lambda entry: _run(f"UPDATE processing_auditentry SET action = 'x' WHERE id = {entry.pk}"),
        lambda entry: _run("DELETE FROM processing_auditentry"),
    ],
    ids=range(7),
)
def test_an_entry_is_neither_changed_nor_deleted(attempt: Any) -> None:
    entry = recorded()
    with pytest.raises(DatabaseError, match="audit entries are never"), transaction.atomic():
        attempt(entry)
    assert AuditEntry.objects.get(pk=entry.pk).actor_name == "alice"


def test_nor_is_it_replaced_or_all_of_them_truncated() -> None:
    entry = recorded()
    statement = {
        "sqlite": "INSERT OR REPLACE INTO processing_auditentry SELECT * FROM processing_auditentry",
        "postgresql": "TRUNCATE processing_auditentry",
    }[connection.vendor]
    with pytest.raises(DatabaseError, match="audit entries are never"), transaction.atomic():
        _run(statement)
    assert AuditEntry.objects.filter(pk=entry.pk).exists()


def test_what_did_not_happen_is_not_told() -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        recorded()
        raise ZeroDivisionError
    assert not AuditEntry.objects.exists()


def test_an_entry_outlives_its_actor(alice: Tenant) -> None:
    audit.record(Actor("admin", alice.user.pk, "alice"), "created", Target("user", str(alice.user.pk), "alice"))
    alice.user.delete()
    assert AuditEntry.objects.get().actor_name == "alice"


def test_secrets_are_left_out_wherever_they_stand() -> None:
    secret = "sk-" + "Ab1_-" * 8
    entry = recorded(
        proxy="http://user:canary-pw@proxy:3128", nested=[{"a": {"key": f"use {secret} here"}}], **{secret: 1}
    )
    told = str(entry.changes)
    assert "canary-pw" not in told
    assert secret not in told
    assert "http://…@proxy:3128" in told


@pytest.mark.parametrize("text", ["a\x00b", "\ud800", "x" * 100_000, "‮gpj.exe", "line\r\nSet-Cookie: a=b"])
def test_any_text_can_be_told(text: str) -> None:
    audit.record(
        Actor("api", 1, text, text, text),
        "changed",
        Target("model", text, text),
        {text[:50]: [text], "deep": [[[[[[[[[[[text]]]]]]]]]]], "many": list(range(1000)), "odd": float("nan")},
    )
    entry = AuditEntry.objects.get()
    assert len(str(entry.changes)) < 20_000
    assert "… and 900 more" in entry.changes["many"]


def test_a_row_is_told_without_its_secrets(alice: Tenant) -> None:
    provider = Provider(name="Office", kind="openai_compatible")
    provider.secret = "canary"
    provider.save()
    with transaction.atomic(), audit.changing(audit.COMMAND, "provider", provider, provider.name):
        provider.secret, provider.timeout = "canary-2", 5.0
        provider.save()
    entry = AuditEntry.objects.get()
    assert entry.changes == {
        "secret_encrypted": {"from": "(set)", "to": "(set)"},
        "timeout": {"from": None, "to": 5.0},
    }
    assert (entry.door, entry.actor_id, entry.action) == ("command", None, "changed")


def test_what_changes_nothing_is_no_entry() -> None:
    provider = Provider.objects.create(name="Office", kind="openai_compatible")
    with transaction.atomic(), audit.changing(audit.COMMAND, "provider", provider, provider.name):
        provider.save()
    assert not AuditEntry.objects.exists()


def test_the_log_hears_of_it_once_it_is_so(
    caplog: pytest.LogCaptureFixture, django_capture_on_commit_callbacks: Any
) -> None:
    with caplog.at_level(logging.INFO, "processing.access.audit"), django_capture_on_commit_callbacks(execute=True):
        recorded()
        assert caplog.records == []
    (event,) = caplog.records
    assert (event.message, event.action, event.target) == ("audit", "revoked", "key:7")  # type: ignore[attr-defined]
    assert "laptop" not in str(event.__dict__)


def _run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
