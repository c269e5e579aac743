"""Two tenants, for every test that asks what a stranger may see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from processing.access import keys
from processing.access.models import ApiKey
from processing.operations import figures
from processing.queue import admission, line, pace
from processing.runtime import configuration

pytest_plugins = ["tests.stack.service"]


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
    for known in (configuration, admission, line, pace, figures):
        known.forget()
