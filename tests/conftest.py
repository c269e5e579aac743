"""Two tenants, for every test that asks what a stranger may see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from unittest import mock

import pytest
from django.contrib.auth.models import User
from django.db import connection
from rest_framework.test import APIClient

from processing.access import keys
from processing.access.models import ApiKey
from processing.access.rates import allowances, counting, leases
from processing.api import status
from processing.operations import figures
from processing.queue import admission, line, pace
from processing.runtime import configuration
from processing.tasks.journal import keeping, scribe

pytest_plugins = ["tests.stack.service"]


append_only = import_module("processing.migrations.0007_audit_is_append_only")


@pytest.fixture(scope="session", autouse=True)
def audit_is_emptied_between_tests() -> Iterator[None]:
    """Tests with `transaction=True` empty all tables after them, which the audit's triggers would refuse. No setting
    of the service does this: it takes who owns the tables."""
    operations = type(connection.ops)
    flush = operations.execute_sql_flush

    def flush_audit_too(self: Any, statements: Any) -> None:
        with connection.schema_editor() as editor:
            append_only.remove(None, editor)
        flush(self, statements)
        with connection.schema_editor() as editor:
            append_only.install(None, editor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(operations, "execute_sql_flush", flush_audit_too)
        yield


@dataclass(frozen=True)
class Tenant:
    """A user, one of their keys, and a client that sends it."""

    user: User
    key: ApiKey
    secret: str

    @property
    def client(self) -> APIClient:
        client = APIClient(raise_request_exception=False)
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {self.secret}")
        return client


def tenant(name: str, **columns: Any) -> Tenant:
    user = User.objects.create_user(name, **columns)
    with mock.patch.object(keys.audit, "record"):  # What a test finds on the audit trail is its own.
        key, secret = keys.mint(user, "test")
    return Tenant(user, key, secret)


@pytest.fixture
def alice(db: None) -> Tenant:
    return tenant("alice")


@pytest.fixture
def mallory(db: None) -> Tenant:
    """The stranger."""
    return tenant("mallory")


@pytest.fixture(autouse=True)
def nothing_known_from_another_test() -> Iterator[None]:
    _forget()
    yield
    _forget()


def _forget() -> None:
    for known in (
        configuration,
        admission,
        line,
        pace,
        allowances,
        counting,
        leases,
        figures,
        scribe,
        keeping,
        status.WATCH,
    ):
        known.forget()
