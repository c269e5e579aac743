"""What an API key is, and when it stops being one."""

from __future__ import annotations

import re
import threading
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import OperationalError, connection, connections
from django.forms.models import model_to_dict
from django.utils import timezone

from processing.access import keys

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> User:
    return User.objects.create_user("ada")


def test_it_works(owner: User) -> None:
    key, secret = keys.mint(owner, "laptop", ["admin"])

    found = keys.find(secret)

    assert found == key
    assert found is not None
    assert found.user == owner
    assert found.scopes == ["admin"]


def test_a_secret_has_256_bits_and_is_shown_by_its_first_characters(owner: User) -> None:
    key, secret = keys.mint(owner, "laptop")

    assert re.fullmatch(r"sk-[A-Za-z0-9_-]{43}", secret)
    assert key.prefix == secret[:8]


def test_the_secret_is_not_kept(owner: User) -> None:
    key, secret = keys.mint(owner, "laptop")

    assert secret[8:] not in str(model_to_dict(key)) + key.digest


def test_two_keys_differ(owner: User) -> None:
    assert keys.mint(owner, "a")[1] != keys.mint(owner, "a")[1]


@pytest.mark.parametrize("secret", ["", "sk-", "sk-unknown", "Bearer", "sk-\udcff", "sk-" + "x" * 100_000])
def test_what_is_no_key_is_not_found(owner: User, secret: str) -> None:
    keys.mint(owner, "laptop")

    assert keys.find(secret) is None


def test_a_revoked_key_is_refused_at_once(owner: User) -> None:
    key, secret = keys.mint(owner, "laptop")
    key.revoked_at = timezone.now()
    key.save()

    assert keys.find(secret) is None


def test_a_key_ends_when_it_expires(owner: User) -> None:
    key, secret = keys.mint(owner, "laptop")
    key.expires_at = timezone.now() + timedelta(hours=1)
    key.save()

    assert keys.find(secret) == key
    with time_machine.travel(key.expires_at, tick=False):
        assert keys.find(secret) is None


def test_a_deactivated_users_key_is_refused(owner: User) -> None:
    _, secret = keys.mint(owner, "laptop")
    owner.is_active = False
    owner.save()

    assert keys.find(secret) is None


def test_use_is_noted_at_most_once_a_minute(owner: User, django_assert_num_queries) -> None:
    key, secret = keys.mint(owner, "laptop")
    with time_machine.travel(timezone.now(), tick=False) as clock:
        keys.find(secret)
        key.refresh_from_db()
        first = key.last_used_at
        with django_assert_num_queries(1):
            keys.find(secret)
        clock.shift(61)
        keys.find(secret)
        key.refresh_from_db()

    assert first is not None
    assert key.last_used_at == first + timedelta(seconds=61)


def test_a_use_that_cannot_be_noted_fails_nothing_and_is_not_tried_at_every_request(
    owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, secret = keys.mint(owner, "laptop")
    tries: list[int] = []

    def locked(*_: Any, **__: Any) -> int:
        tries.append(1)
        raise OperationalError("database is locked")

    with time_machine.travel(timezone.now(), tick=False) as clock:
        with monkeypatch.context() as patch:
            patch.setattr("django.db.models.query.QuerySet.update", locked)
            assert [keys.find(secret) for _ in range(3)] == [key] * 3
            assert len(tries) == 1
        clock.shift(61)
        assert keys.find(secret) == key
    key.refresh_from_db()
    assert key.last_used_at is not None


@pytest.mark.django_db(transaction=True)
def test_a_key_is_found_while_another_writes(owner: User) -> None:
    """The writer holds the lock until the key was found, or for ever."""
    if connection.vendor != "sqlite":
        pytest.skip("writers of other rows do not keep one another waiting")
    key, secret = keys.mint(owner, "laptop")
    held, found = threading.Event(), threading.Event()

    def write() -> None:
        other = connections["default"]
        try:
            with other.cursor() as cursor:
                cursor.execute("BEGIN IMMEDIATE")
                held.set()
                found.wait(60)
                cursor.execute("ROLLBACK")
        finally:
            other.close()

    writer = threading.Thread(target=write)
    writer.start()
    held.wait(60)
    try:
        with connection.cursor() as cursor:
            assert keys.find(secret) == key
            assert not found.is_set()
            usual = cursor.execute("PRAGMA busy_timeout").fetchone()[0]
    finally:
        found.set()
        writer.join()
    key.refresh_from_db()
    assert key.last_used_at is None
    assert usual == 30_000, "what matters waits as long as before"
