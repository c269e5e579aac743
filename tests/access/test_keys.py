"""What an API key is, and when it stops being one."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import User
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
