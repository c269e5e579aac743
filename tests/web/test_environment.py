"""The environment, typed; what follows from one variable for another."""

from __future__ import annotations

import pytest

from apiv2project import environment


def test_it_works() -> None:
    read = environment.read({"PORT": "8080", "ALLOWED_HOSTS": "a.example, b.example"})
    assert (read.port, read.allowed_hosts, read.web_processes) == (8080, ["a.example", "b.example"], 2)


@pytest.mark.parametrize(
    ("variables", "threads"),
    [
        ({}, 64),
        ({"DATABASE_URL": "sqlite:////tmp/a.sqlite3"}, 64),
        ({"DATABASE_URL": "postgres://a@localhost/a"}, 16),
        ({"DATABASE_URL": "postgresql://a@localhost/a"}, 16),
        ({"DATABASE_URL": "postgres://a@localhost/a", "API_V2_WEB_THREADS": "40"}, 40),
    ],
)
def test_the_threads_of_the_web_server_leave_connections_to_the_workers(
    variables: dict[str, str], threads: int
) -> None:
    assert environment.read(variables).web_threads == threads


def test_a_malformed_variable_ends_the_start_and_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        environment.read({"DATABASE_URL": "postgres://a@localhost/a", "API_V2_WEB_THREADS": "many"})
    assert "API_V2_WEB_THREADS" in capsys.readouterr().err


GOOD = "k7Qx0-Zp_3vLr8TnWq2YbJ5sHd9MfGc1"


@pytest.mark.parametrize("key", [GOOD, GOOD * 3, ""])
def test_a_random_secret_key_is_taken(key: str) -> None:
    assert environment.read({"SECRET_KEY": key} if key else {}).secret_key == key


@pytest.mark.parametrize(
    "key",
    [
        "change-me",
        "changeme" * 8,
        "secret",
        "your-secret-key-goes-here-0123456789abcdef",
        "django-insecure-" + GOOD * 2,
        "CHANGE_THIS_" + GOOD,
        GOOD[:31],
        "ab" * 40,
        "0" * 64,
    ],
)
def test_a_secret_key_that_others_know_ends_the_start(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        environment.read({"SECRET_KEY": key})
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert told.startswith("SECRET_KEY: this takes at least 32 random characters")
    assert len(told.splitlines()) == 1
    assert key not in told or key == "secret"  # the hint imports a module of that name


@pytest.mark.parametrize("url", ["redis://:secret@cache:6379/0", "rediss://cache", "unix:///run/redis.sock"])
def test_a_redis_is_named_by_its_url(url: str) -> None:
    assert environment.read({"REDIS_URL": url}).redis_url == url


@pytest.mark.parametrize(("url", "installed"), [("http://:secret@cache", True), ("redis://:secret@cache", False)])
def test_a_redis_that_cannot_be_used_ends_the_start_and_gives_no_password_away(
    url: str, installed: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name if installed else None)
    with pytest.raises(SystemExit):
        environment.read({"REDIS_URL": url})
    told = capsys.readouterr().err
    assert "REDIS_URL" in told
    assert "secret" not in told


@pytest.mark.parametrize("token", ["short", "with a space in the middle", "ünprintable-for-a-header", "x" * 501])
def test_a_token_that_anybody_guesses_or_no_header_carries_is_refused_and_not_told(
    token: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        environment.read({"API_V2_METRICS_TOKEN": token})
    told = capsys.readouterr().err
    assert "API_V2_METRICS_TOKEN" in told
    assert token not in told
