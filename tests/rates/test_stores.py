"""Each store of counters counts exactly, whoever else counts at the same time, and survives what may happen to it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from processing.access.rates.contract import StoreUnavailableError
from processing.access.rates.memory import MemoryStore
from processing.access.rates.sqlite import SqliteStore
from tests.rates import crowd
from tests.rates.redis_server import RedisServer, running_redis
from tests.rates.store_contract import MOMENT, StoreContract, window


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "counters.sqlite3"


class TestMemory(StoreContract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()


class TestSqlite(StoreContract):
    @pytest.fixture
    def store(self, path: Path) -> SqliteStore:
        return SqliteStore(lambda: path)

    def test_a_file_that_was_deleted_is_made_anew(self, store: SqliteStore, path: Path) -> None:
        store.take([window()], MOMENT)
        path.unlink()
        assert store.take([window()], MOMENT).counted[0].used == 1
        assert path.exists()

    def test_a_file_that_is_broken_is_made_anew_and_said_to_be(
        self, store: SqliteStore, path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        path.write_bytes(b"no database at all" * 1000)
        with pytest.raises(StoreUnavailableError):
            store.take([window()], MOMENT)
        assert store.take([window()], MOMENT).admitted
        assert "broken" in caplog.text

    def test_another_process_goes_on_with_the_file_that_took_its_place(self, store: SqliteStore, path: Path) -> None:
        other = SqliteStore(lambda: path)
        other.take([window()], MOMENT)
        for name in ("counters.sqlite3", "counters.sqlite3-wal", "counters.sqlite3-shm"):
            path.with_name(name).unlink(missing_ok=True)
        store.take([window()], MOMENT)
        assert other.take([window()], MOMENT).counted[0].used == 2

    def test_a_file_that_another_holds_is_given_up_soon(
        self, store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("processing.access.loose_file.PATIENCE", 0.05)
        store.take([window()], MOMENT)
        store._file._close()
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailableError):
            store.take([window()], MOMENT)
        holder.execute("ROLLBACK")
        holder.close()
        assert store.take([window()], MOMENT).counted[0].used == 2

    def test_a_directory_that_is_gone_is_no_crash(self, path: Path) -> None:
        store = SqliteStore(lambda: path.parent / "gone" / path.name)
        with pytest.raises(StoreUnavailableError):
            store.take([window()], MOMENT)

    def test_what_is_over_is_deleted(self, store: SqliteStore, path: Path) -> None:
        for number in range(5):
            store._next_sweep = 0.0
            store.take([window(f"calls/key:{number}")], MOMENT + 3600 * number)
        with sqlite3.connect(path) as reader:
            assert reader.execute("SELECT count(*) FROM counter").fetchone() == (1,)

    def test_threads_share_it(self, store: SqliteStore) -> None:
        admitted: list[bool] = []

        def ask() -> None:
            for _ in range(20):
                admitted.append(store.take([window(quota=crowd.LIMIT)], MOMENT).admitted)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert sum(admitted) == crowd.LIMIT

    def test_a_crowd_is_admitted_to_the_last_place_and_no_further(self, path: Path) -> None:
        crowd.assert_exact(crowd.admitted("sqlite", str(path)))


class TestRedis(StoreContract):
    @pytest.fixture
    def store(self, redis_server: RedisServer) -> object:
        from processing.access.rates.redis import RedisStore

        redis_server.empty()
        return RedisStore(redis_server.url)

    def test_counters_end_by_themselves(self, store: object, redis_server: RedisServer) -> None:
        import redis

        store.take([window(), window(seconds=3600)])  # type: ignore[attr-defined]
        with redis.Redis.from_url(redis_server.url) as client:
            lives = sorted(client.ttl(name) for name in client.scan_iter())
        assert 60 < lives[0] <= 121
        assert 60 < lives[1] <= 3661

    def test_a_crowd_is_admitted_to_the_last_place_and_no_further(self, redis_server: RedisServer) -> None:
        redis_server.empty()
        crowd.assert_exact(crowd.admitted("redis", redis_server.url))
