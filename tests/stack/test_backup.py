"""A service is backed up while it is submitted to, and goes on elsewhere from what was saved."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from processing.operations.backup import sealing
from tests import samples
from tests.stack.service import RunningService, running_service
from tests.stack.test_work import PATIENCE, Caller

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

EVERY = 0.1  # seconds between two submissions
ENTER_PROVIDER = """
from modelsregistry.models import Provider
one = Provider(name="entered", kind="openai", base_url="http://127.0.0.1:9/v1", enabled=False)
one.secret = "sk-canary"
one.save()
"""
SHOW_SECRET = """
from modelsregistry.models import Provider
print(Provider.objects.get(name="entered").secret)
"""


class Load:
    """A caller that submits ten documents a second until the block ends."""

    def __init__(self, caller: Caller) -> None:
        self.taken: list[str] = []
        self._caller = caller
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def grown_to(self, count: int) -> list[str]:
        end = time.monotonic() + PATIENCE
        while len(self.taken) < count:
            assert time.monotonic() < end
            time.sleep(0.02)
        return list(self.taken)

    def _run(self) -> None:
        while not self._stop.wait(EVERY):
            text = f"{samples.INVOICE}\nPosition {len(self.taken)}"
            self.taken.append(self._caller.submit("note.txt", text.encode(), model="local"))


def refused(service: RunningService, *arguments: str) -> str:
    with pytest.raises(subprocess.CalledProcessError) as failure:
        service.manage(*arguments)
    told: str = failure.value.stderr
    return told


@contextlib.contextmanager
def rows(data_dir: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(data_dir / "apiv2.sqlite3")) as connection:
        yield connection


def test_it_works(tmp_path: Path) -> None:
    recipient = sealing.make_identity(tmp_path / "identity")
    shelf, new = tmp_path / "shelf", tmp_path / "new"
    with running_service(tmp_path / "old") as service:
        key = service.key
        caller = Caller(service, key=key)
        service.manage("shell", "--no-imports", "-c", ENTER_PROVIDER)
        first = caller.submit("invoice.txt", samples.INVOICE.encode(), model="local")
        answer = caller.ended(first)["result"]
        with Load(caller) as load:
            before = load.grown_to(10)
            archive = service.manage("backup", str(shelf), "--recipient", recipient, "--keep", "3").strip()
            load.grown_to(len(load.taken) + 5)
        assert len(load.taken) > len(before) + 5
        restore = ("restore", archive, "--identity", str(tmp_path / "identity"))
        assert "already runs with the data directory" in refused(service, *restore, "--replace")
        assert service.manage(*restore, "--dry-run").startswith("The archive can be restored.")

    new.mkdir()
    elsewhere = RunningService("", new, service.process, {**service.environment, "API_V2_DATA_DIR": str(new)}, "")
    assert "--accept-other-key" in refused(elsewhere, *restore)
    assert elsewhere.manage(*restore, "--accept-other-key").startswith("Restored.")
    assert elsewhere.manage("shell", "--no-imports", "-c", SHOW_SECRET).strip() == "sk-canary"
    with rows(new) as found:
        saved = {str(id) for (id,) in found.execute("SELECT id FROM processing_task")}
        documents = dict(found.execute("SELECT path, sha256 FROM processing_storeddocument"))
        trail = found.execute(
            "SELECT action, target_id FROM processing_auditentry WHERE target_kind = 'backup'"
        ).fetchall()
    assert trail == [("restored", Path(archive).name)]
    assert {task.replace("-", "") for task in (first, *before)} <= saved
    for path, sha256 in documents.items():
        assert hashlib.sha256((new / "files" / path).read_bytes()).hexdigest() == sha256

    with running_service(new) as restored:
        caller = Caller(restored, key=key)
        assert caller.status(first)["result"] == answer
        for task in before:
            assert caller.ended(task)["status"] == "completed"
        with rows(new) as found:
            open_ones = "SELECT id FROM processing_task WHERE status IN ('queued', 'processing')"
            end = time.monotonic() + PATIENCE
            while left := found.execute(open_ones).fetchall():
                assert time.monotonic() < end, left
                time.sleep(0.1)
