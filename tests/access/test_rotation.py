"""A key gets a new secret and stays the same key; an ended key ends in every process; both are in the audit trail."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
import time_machine
from django.db import connections
from django.utils import timezone

from processing.access import keys
from processing.access.audit import Actor
from processing.access.models import ApiKey, AuditEntry
from processing.errors import InvalidInput, NotFound
from tests.conftest import Tenant

pytestmark = pytest.mark.django_db
ME = Actor("admin", 7, "root")


def test_it_works(alice: Tenant) -> None:
    secret = keys.rotate(alice.key, by=ME)

    assert secret != alice.secret
    assert keys.find(secret) == keys.find(alice.secret) == alice.key


def test_the_secret_before_ends_with_the_overlap(alice: Tenant) -> None:
    secret = keys.rotate(alice.key, timedelta(hours=1), by=ME)

    with time_machine.travel(timezone.now() + timedelta(minutes=59)):
        assert keys.find(alice.secret) == alice.key
    with time_machine.travel(timezone.now() + timedelta(minutes=61)):
        assert keys.find(alice.secret) is None
        assert keys.find(secret) == alice.key


def test_without_overlap_it_ends_at_once(alice: Tenant) -> None:
    secret = keys.rotate(alice.key, timedelta(0), by=ME)

    assert keys.find(alice.secret) is None
    assert keys.find(secret) == alice.key


def test_of_two_rotations_the_last_two_secrets_work(alice: Tenant) -> None:
    second = keys.rotate(alice.key, by=ME)
    third = keys.rotate(alice.key, by=ME)

    assert keys.find(alice.secret) is None
    assert keys.find(second) == keys.find(third) == alice.key


def test_a_stale_copy_of_the_key_is_no_way_back(alice: Tenant) -> None:
    stale = ApiKey.objects.get(pk=alice.key.pk)
    second = keys.rotate(alice.key, by=ME)
    keys.rotate(stale, by=ME)

    assert keys.find(second) == alice.key
    assert keys.find(alice.secret) is None


def test_both_secrets_end_with_the_key(alice: Tenant) -> None:
    secret = keys.rotate(alice.key, by=ME)

    assert keys.revoke(alice.key.pk, by=ME)
    assert not keys.revoke(alice.key.pk, by=ME)
    assert keys.find(secret) is keys.find(alice.secret) is None


@pytest.mark.parametrize("column", ["revoked_at", "expires_at"])
def test_an_ended_key_gets_no_new_secret(alice: Tenant, column: str) -> None:
    ApiKey.objects.filter(pk=alice.key.pk).update(**{column: timezone.now()})

    with pytest.raises(InvalidInput) as error:
        keys.rotate(alice.key, by=ME)
    assert error.value.code == "key_ended"


@pytest.mark.parametrize("overlap", [timedelta(seconds=-1), timedelta(days=31)])
def test_an_overlap_has_bounds(alice: Tenant, overlap: timedelta) -> None:
    with pytest.raises(InvalidInput):
        keys.rotate(alice.key, overlap, by=ME)
    assert keys.find(alice.secret) == alice.key


def test_a_replaced_secret_costs_one_query_too(alice: Tenant, django_assert_num_queries) -> None:
    keys.rotate(alice.key, by=ME)
    keys.find(alice.secret)

    with django_assert_num_queries(1):
        assert keys.find(alice.secret) == alice.key


@pytest.mark.django_db(transaction=True)
def test_a_thread_that_has_seen_the_key_refuses_it_after_revocation(alice: Tenant) -> None:
    """Nothing that a process has learnt of a key outlives its end."""
    seen, revoked, found = threading.Event(), threading.Event(), []

    def serve() -> None:
        try:
            found.append(keys.find(alice.secret))
            seen.set()
            revoked.wait(60)
            found.append(keys.find(alice.secret))
        finally:
            connections["default"].close()

    thread = threading.Thread(target=serve)
    thread.start()
    assert seen.wait(60)
    keys.revoke(alice.key.pk, by=ME)
    revoked.set()
    thread.join()
    assert found == [alice.key, None]


def test_what_was_done_is_kept_without_secrets(alice: Tenant) -> None:
    key, first = keys.mint(alice.user, "told")
    secret = keys.rotate(key, by=ME)
    keys.revoke(key.pk, by=ME, reason="leaked")

    entries = list(AuditEntry.objects.filter(target_kind="key", target_id=str(key.pk)).order_by("id"))
    assert [entry.action for entry in entries] == ["created", "rotated", "revoked"]
    assert (entries[0].door, entries[1].actor_name, entries[2].changes) == ("service", "root", {"reason": "leaked"})
    assert entries[1].changes["prefix"] == [first[:8], secret[:8]]
    told = str([vars(entry) for entry in entries])
    assert not any(each in told for each in (first, secret, key.digest))


def test_a_key_is_named_in_several_ways(alice: Tenant, mallory: Tenant) -> None:
    secret = keys.rotate(alice.key, by=ME)

    for text in (str(alice.key.pk), secret[:8], alice.secret[:8], secret, alice.secret):
        assert keys.named(text) == alice.key
    for text in ("", "sk-", "sk-nobody", "0", "9" * 40, "²"):
        with pytest.raises(NotFound):
            keys.named(text)


def test_a_beginning_that_several_keys_have_names_none(alice: Tenant, mallory: Tenant) -> None:
    ApiKey.objects.filter(pk=mallory.key.pk).update(prefix=alice.key.prefix)

    with pytest.raises(InvalidInput, match=str(mallory.key.pk)):
        keys.named(alice.key.prefix)
