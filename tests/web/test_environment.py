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
