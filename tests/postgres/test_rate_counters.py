"""PostgreSQL counts rates as the other stores do, and without waiting for a disk."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import dj_database_url
import pytest
from django.db.utils import ConnectionHandler

import processing.migrations
from processing.access.rates import postgresql
from processing.access.rates.postgresql import PostgresStore
from tests.postgres.server import Server
from tests.rates import crowd
from tests.rates.store_contract import MOMENT, StoreContract, window

_NAME = next(
    name for _, name, _ in pkgutil.iter_modules(processing.migrations.__path__) if name.endswith("_rate_limits")
)
TABLE: str = importlib.import_module(f"processing.migrations.{_NAME}").UP


@pytest.fixture(scope="module")
def url(postgres: Server) -> str:
    url = postgres.create_database("rates")
    postgres.query(TABLE, "rates")
    return url


@pytest.fixture
def connection(url: str, django_db_blocker: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    connection = ConnectionHandler({"default": dj_database_url.parse(url)})["default"]
    monkeypatch.setattr(postgresql, "connection", connection)
    with django_db_blocker.unblock():
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE processing_ratecounter")
        yield connection
        connection.close()


class TestPostgres(StoreContract):
    @pytest.fixture
    def store(self, connection: Any) -> PostgresStore:
        return PostgresStore()

    def test_what_is_over_is_deleted(self, store: PostgresStore, connection: Any) -> None:
        for number in range(5):
            store._next_sweep = 0.0
            store.take([window(f"calls/key:{number}")], MOMENT + 3600 * number)
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM processing_ratecounter")
            assert cursor.fetchone() == (1,)

    def test_the_clock_is_the_databases(self, store: PostgresStore, connection: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float")
            before = cursor.fetchone()[0]
            now = store.take([window()]).now
            cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float")
            assert before <= now <= cursor.fetchone()[0]

    def test_a_crowd_is_admitted_to_the_last_place_and_no_further(self, url: str, connection: Any) -> None:
        crowd.assert_exact(crowd.admitted("postgresql", url))
