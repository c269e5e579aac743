"""The stand-ins, each started once, and Django's storage set to one of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from django.conf import settings
from django.test import override_settings

from apiv2project import environment, storages
from tests.queue.conftest import ask as ask  # a fixture
from tests.storage.servers import SERVERS, Server


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    """Those that were asked for by `server_of`."""
    with ExitStack() as stack:
        yield _Started(stack, tmp_path_factory)


class _Started(dict[str, Server]):
    def __init__(self, stack: ExitStack, directories: pytest.TempPathFactory) -> None:
        self._stack, self._directories = stack, directories

    def __missing__(self, provider: str) -> Server:
        self[provider] = server = self._stack.enter_context(SERVERS[provider](self._directories.mktemp(provider)))
        return server


@pytest.fixture(params=list(SERVERS))
def server(request: pytest.FixtureRequest, servers: dict[str, Server]) -> Server:
    """Each of the stand-ins in turn."""
    return servers[request.param]


@pytest.fixture
def remote(server: Server, tmp_path: Path) -> Iterator[Server]:
    """Each of the stand-ins in turn, as the storage of documents."""
    with stored_in(server.provider, server.variables, tmp_path):
        yield server


@contextmanager
def stored_in(provider: str, variables: Mapping[str, str], directory: Path) -> Iterator[None]:
    """Documents lie in this storage; the local one is in `directory`."""
    env = environment.read({"STORAGE_PROVIDER": provider, **variables})
    table = storages.table(env, directory)
    with override_settings(STORAGES={**table, "staticfiles": settings.STORAGES["staticfiles"]}):
        yield
