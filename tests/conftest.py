"""What every test stands on: a database in a file, so that threads and processes meet in it as they do in service."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connections

from processing.runtime import configuration


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """SQLite's own default for tests is in memory, where threads fail with "table is locked" instead of waiting."""
    default = connections["default"]
    if default.vendor == "sqlite":
        default.settings_dict["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")


@pytest.fixture(autouse=True)
def no_configuration_of_another_test() -> Iterator[None]:
    configuration.forget()
    yield
    configuration.forget()
