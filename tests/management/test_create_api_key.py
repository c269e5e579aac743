"""`create_api_key` gives a key to whom it is asked for, and scripts can read it."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection

from processing.access import keys
from processing.access.models import ApiKey

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> User:
    return User.objects.create_superuser("root")


def test_it_works(admin: User, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("create_api_key")
    secret, nothing = capsys.readouterr().out.split("\n")

    key = keys.find(secret)
    assert key is not None
    assert (key.user, key.scopes, nothing) == (admin, [], "")


def test_an_admin_key_carries_the_scope_and_the_name(admin: User, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("create_api_key", "--admin", "--name", "backup script")

    key = keys.find(capsys.readouterr().out.strip())
    assert key is not None
    assert (key.scopes, key.name) == (["admin"], "backup script")


def test_another_users_key_is_theirs(admin: User, capsys: pytest.CaptureFixture[str]) -> None:
    ada = User.objects.create_user("ada")
    call_command("create_api_key", "--user", "ada")

    key = keys.find(capsys.readouterr().out.strip())
    assert key is not None
    assert key.user == ada


def test_an_admin_key_for_one_who_is_none_says_so_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    User.objects.create_user("ada")
    call_command("create_api_key", "--user", "ada", "--admin")

    printed = capsys.readouterr()
    assert printed.out.count("\n") == 1
    assert "no administrator's permissions" in printed.err


def test_a_key_is_limited(admin: User, capsys: pytest.CaptureFixture[str]) -> None:
    call_command(
        "create_api_key", "--expires", "90d", "--endpoint", "/api/v2/process", "--endpoint", "/api/v2/status/",
        "--network", "192.0.2.7/24", "--scope", "admin", "--name", "scanner",
    )  # fmt: skip

    key = ApiKey.objects.get(digest=keys._digest(capsys.readouterr().out.strip()))
    assert key.expires_at is not None
    assert (key.expires_at - key.created_at).days in (89, 90)
    assert (key.allowed_endpoints, key.allowed_networks) == (["/api/v2/process", "/api/v2/status"], ["192.0.2.0/24"])
    assert (key.scopes, key.name) == (["admin"], "scanner")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--expires", "soon"],
        ["--expires", "2001-01-01"],
        ["--expires", "2027-02-31"],
        ["--endpoint", "/api/v2/proces"],
        ["--network", "192.0.2.0/33"],
        ["--model", "no-such-model"],
        ["--scope", "root"],
    ],
)
def test_a_limit_that_makes_no_sense_makes_no_key(
    admin: User, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CommandError) as error:
        call_command("create_api_key", *arguments)
    assert arguments[1].split("/")[0] in str(error.value) or "passed" in str(error.value)
    assert capsys.readouterr().out == ""
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize("arguments", [[], ["--user", "nobody"], ["--user", "former"]])
def test_without_such_an_active_user_no_key_is_made(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    User.objects.create_user("former", is_active=False)
    with pytest.raises(CommandError):
        call_command("create_api_key", *arguments)
    assert capsys.readouterr().out == ""
    assert not ApiKey.objects.exists()


def test_a_database_without_tables_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for one whose service keeps its data elsewhere than the command looks."""
    monkeypatch.setattr(connection.introspection, "table_names", list)
    with pytest.raises(CommandError, match="API_V2_DATA_DIR"):
        call_command("create_api_key")
