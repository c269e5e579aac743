"""One PostgreSQL for all tests of this room. A missing one fails in CI and is a reason to skip elsewhere."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest

from tests.postgres.server import MissingServerError, Server, running_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    try:
        with running_server() as server:
            yield server
    except MissingServerError as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))


@pytest.fixture
def database_url(postgres: Server) -> str:
    """An empty database."""
    return postgres.create_database(f"test_{uuid.uuid4().hex}")
