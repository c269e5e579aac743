"""Keys are listed, rotated and revoked by commands that scripts can use."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from processing.access import audit, keys
from processing.access.models import ApiKey, AuditEntry
from tests.conftest import Tenant

pytestmark = pytest.mark.django_db


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    capsys.readouterr()
    call_command("list_api_keys", *arguments)
    return capsys.readouterr().out.splitlines()


def test_it_works(alice: Tenant, mallory: Tenant, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = listed(capsys)
    assert all(
        word in one for word in (str(alice.key.pk), alice.secret[:8], "alice", "active", "expires never", "test")
    )
    assert "mallory" in other
    assert alice.secret not in one
    assert listed(capsys, "--user", "mallory") == [other]


def test_what_has_ended_is_listed_when_asked_for(alice: Tenant, capsys: pytest.CaptureFixture[str]) -> None:
    keys.revoke(alice.key.pk, by=audit.SERVICE)
    assert listed(capsys) == []
    assert json.loads(listed(capsys, "--all", "--json")[0])["state"] == "revoked"


def test_a_hostile_name_moves_no_cursor(alice: Tenant, capsys: pytest.CaptureFixture[str]) -> None:
    ApiKey.objects.update(name="\x1b[2Jgone\nsk-other")
    (line,) = listed(capsys)
    assert "\x1b" not in line


def test_a_key_is_rotated(alice: Tenant, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    call_command("rotate_api_key", alice.secret[:8], "--overlap", "2h")
    secret, nothing = capsys.readouterr().out.split("\n")
    assert nothing == ""
    assert keys.find(secret) == keys.find(alice.secret) == alice.key
    key = ApiKey.objects.get()
    assert key.previous_until is not None
    assert key.previous_until - timezone.now() == pytest.approx(timedelta(hours=2), abs=timedelta(minutes=1))
    assert AuditEntry.objects.get(action="rotated").door == "command"


@pytest.mark.parametrize("way", ["id", "prefix", "shown", "secret"])
def test_a_key_is_revoked(alice: Tenant, way: str, capsys: pytest.CaptureFixture[str]) -> None:
    prefix = alice.secret[:8]
    named = {"id": str(alice.key.pk), "prefix": prefix, "shown": prefix + "…", "secret": alice.secret}
    call_command("revoke_api_key", named[way])
    assert keys.find(alice.secret) is None
    call_command("revoke_api_key", named[way])
    printed = capsys.readouterr()
    assert "is revoked" in printed.err
    assert "already revoked" in printed.err
    entry = AuditEntry.objects.get(action="revoked")
    assert (entry.door, entry.actor_name) == ("command", audit.by_command().name)


@pytest.mark.parametrize("command", ["revoke_api_key", "rotate_api_key"])
def test_what_is_no_key_is_told(alice: Tenant, command: str) -> None:
    with pytest.raises(CommandError, match="no API key"):
        call_command(command, "sk-nobody")
    assert keys.find(alice.secret) == alice.key


@pytest.mark.parametrize("overlap", ["long", "31d", "-1h"])
def test_an_overlap_that_is_none_changes_nothing(alice: Tenant, overlap: str) -> None:
    with pytest.raises(CommandError):
        call_command("rotate_api_key", alice.secret[:8], f"--overlap={overlap}")
    assert AuditEntry.objects.filter(action="rotated").count() == 0
