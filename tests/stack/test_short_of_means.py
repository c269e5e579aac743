"""Short of memory or of disk, the service takes nothing, says so, loses nothing, and goes on by itself."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.modelsregistry import stand_in
from tests.stack.hostile import SETTINGS
from tests.stack.processes import Parts, kill, until
from tests.stack.service import RunningService, running_service
from tests.stack.test_kills import asked_for_ever
from tests.stack.test_work import PATIENCE, Caller

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]

MIB = 1024 * 1024
TEXT = b"The total is 7.00 EUR."
LARGE = TEXT * (12 * MIB // len(TEXT))


def post(caller: Caller, data: bytes = TEXT) -> httpx.Response:
    fields = {"prompt": "What is the total?", "model": "local", "dedupe": "false"}
    return caller.http.post("/api/v2/process", data=fields, files={"file": ("invoice.txt", data)})


def kept(service: RunningService) -> list[Path]:
    """All documents, whole or in part."""
    folders = (service.data_dir / "files" / "documents", service.data_dir / "incoming")
    return sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())


def assert_taken(caller: Caller) -> None:
    """The large document is. It is not waited for: it would take a minute."""
    reply = post(caller, LARGE)
    assert reply.status_code == 200, reply.text
    assert caller.http.delete(f"/api/v2/tasks/{reply.json()['task_id']}").status_code == 200


class Memory:
    """A control group that says of this host what a test wants it to."""

    def __init__(self, group: Path) -> None:
        self.variables = {**SETTINGS, "TEST_CONTROL_GROUP": str(group)}
        self._group = group
        self._limit = psutil.virtual_memory().total // 2
        group.mkdir()
        (group / "proc").write_text("0::/\n")
        (group / "memory.max").write_text(f"{self._limit}\n")
        (group / "memory.stat").write_text("inactive_file 0\n")
        self.use(10)

    def use(self, percent: int) -> None:
        other = self._group / "next"
        other.write_text(f"{self._limit * percent // 100}\n")
        other.rename(self._group / "memory.current")


def test_memory(tmp_path: Path) -> None:
    """Past the threshold nothing is taken and nothing begun, not even by a new cluster; below it all goes on."""
    memory = Memory(tmp_path / "group")
    with stand_in.running("reader", "viewer") as upstream:
        variables = {
            **memory.variables,
            **upstream.variables,
            "API_V2_MAX_CONCURRENT": 1,
        }
        with running_service(tmp_path / "data", **variables) as service:
            Caller(service, admin=True).configure(memory_management={"emergency_stop_threshold": 60})
            caller, parts = Caller(service), Parts(service)
            asked = asked_for_ever(upstream)
            running = caller.submit("running.txt", TEXT, model="reader")
            waiting = caller.submit("waiting.txt", TEXT, model="local")
            assert asked.acquire(timeout=PATIENCE)

            memory.use(70)
            refused = until(lambda: reply if (reply := post(caller)).status_code != 200 else None)
            assert (refused.status_code, refused.json()["code"]) == (503, "memory_pressure")
            assert int(refused.headers["Retry-After"]) >= 1
            said = until(lambda: caller.http.get("/api/v2/health").json()["details"].get("memory"))
            assert "60 %" in said
            assert caller.status(running)["status"] == "processing"
            kill(parts.the("cluster"))
            end = time.monotonic() + 2 * PATIENCE  # A new cluster on a machine at its limits takes its time.
            while caller.status(running)["status"] != "queued":
                assert time.monotonic() < end
                time.sleep(0.05)
            time.sleep(1)  # Long enough for idle workers to begin, if they were to.
            assert [caller.status(task)["status"] for task in (running, waiting)] == ["queued", "queued"]

            memory.use(10)
            assert [caller.ended(task)["status"] for task in (running, waiting)] == ["completed", "completed"]
            until(lambda: post(caller).status_code == 200)
            assert "memory" not in caller.http.get("/api/v2/health").json()["details"]


def test_a_quota_on_files(tmp_path: Path) -> None:
    """A document that the system refuses to write further is not taken, and nothing of it is kept."""
    with running_service(tmp_path / "data") as service:
        caller = Caller(service)
        web = Parts(service).the("apiv2project.web")
        processes = [web, *web.children(recursive=True)]
        unlimited = [resource.prlimit(each.pid, resource.RLIMIT_FSIZE) for each in processes]
        for each, (_, hard) in zip(processes, unlimited, strict=True):
            resource.prlimit(each.pid, resource.RLIMIT_FSIZE, (8 * MIB, hard))
        for _ in range(4):
            refused = post(caller, LARGE)
            assert (refused.status_code, refused.json()["code"]) == (507, "disk_full")
        assert kept(service) == []
        assert caller.ended(post(caller).json()["task_id"])["status"] == "completed"
        for each, limits in zip(processes, unlimited, strict=True):
            resource.prlimit(each.pid, resource.RLIMIT_FSIZE, limits)
        assert_taken(caller)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with 64 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("only root may mount a small disk; the quota on files is tested everywhere")
    command = [mount, "-t", "tmpfs", "-o", "size=64m", "none", str(place)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("this machine does not let root mount a small disk; the quota on files is tested everywhere")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_disk_that_is_full_to_the_last_byte(small_disk: Path) -> None:
    """Nothing is taken, no part of a document is kept, what is there is told; with room again all goes on."""
    with running_service(small_disk / "data", API_V2_MAX_CONCURRENT=1) as service:
        Caller(service, admin=True).configure(min_free_disk_mb=0)
        caller = Caller(service)
        done = post(caller).json()["task_id"]
        assert caller.ended(done)["status"] == "completed"
        before = kept(service)

        ballast = small_disk / "ballast"
        fill(ballast, leave=4 * MIB)
        refused = post(caller, LARGE)
        assert (refused.status_code, refused.json()["code"]) == (507, "disk_full")
        assert int(refused.headers["Retry-After"]) >= 1
        assert kept(service) == before

        fill(ballast, leave=0)
        refused = post(caller, TEXT * 100_000)
        assert (refused.status_code, refused.json()["code"]) == (507, "disk_full")
        assert kept(service) == before
        assert caller.status(done)["status"] == "completed"

        ballast.unlink()
        assert_taken(caller)
        assert caller.ended(post(caller).json()["task_id"])["status"] == "completed"
        assert service.process.poll() is None


def fill(ballast: Path, *, leave: int) -> None:
    """Have so many bytes free, and no more."""
    with ballast.open("ab") as file:
        while (left := shutil.disk_usage(ballast.parent).free - leave) > 0:
            os.posix_fallocate(file.fileno(), file.tell(), min(left, MIB))
            file.seek(0, os.SEEK_END)
