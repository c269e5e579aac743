"""Two tenants, for every test that asks what a stranger may see."""

from __future__ import annotations

import dataclasses
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from unittest import mock

import pytest
from django.contrib.auth.models import User
from django.db import connection
from rest_framework.test import APIClient

from processing import migrations
from processing.access import keys
from processing.access.models import ApiKey
from processing.access.rates import allowances, counting, leases
from processing.api import status
from processing.counters import pending
from processing.operations import figures, measuring
from processing.queue import admission, line, pace
from processing.runtime import configuration
from processing.tasks.journal import keeping, scribe

pytest_plugins = ["tests.stack.service"]


(_name,) = [
    each.name for each in pkgutil.iter_modules(migrations.__path__) if each.name.endswith("audit_is_append_only")
]
append_only = import_module(f"{migrations.__name__}.{_name}")


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


@pytest.fixture(scope="session", autouse=True)
def nothing_is_written_in_the_background() -> Iterator[None]:
    """What is counted for later a test has written itself: a timer would write in the middle of another test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pending, "_MOMENT", 100_000.0)
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
    return Tenant(user, *untold_key(user, "test"))


def untold_key(user: User, name: str) -> tuple[ApiKey, str]:
    """A key for a test that looks at the audit trail, where it is to find only what it did itself."""
    with mock.patch.object(keys.audit, "record"):
        return keys.mint(user, name)


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
        measuring,
        pending,
        scribe,
        keeping,
        status.WATCH,
    ):
        known.forget()


@pytest.fixture
def as_often_as_one_likes(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of something else than limits that ask more often than a caller may."""
    limited = allowances._windows

    def unlimited(*args: Any, **kwargs: Any) -> Iterator[Any]:
        yield from (dataclasses.replace(window, quota=10**9) for window in limited(*args, **kwargs))

    monkeypatch.setattr(allowances, "_windows", unlimited)
