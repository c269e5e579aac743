"""The kernel tells of writes to a file, whoever makes them."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from processing.queue import written
from processing.queue.written import Written

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")

LONG = 30.0  # seconds: a wait that nothing ends fails the test


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "log"
    made.write_bytes(b"")
    return made


def test_it_works(file: Path) -> None:
    watching = Written()
    assert watching.watch(str(file))
    assert not watching.wait(0)
    file.write_bytes(b"one")
    assert watching.wait(LONG)
    assert not watching.wait(0), "a write is told once"


def test_a_write_of_another_process_ends_a_wait(file: Path) -> None:
    watching = Written()
    watching.watch(str(file))
    command = [sys.executable, "-c", f"open({str(file)!r}, 'ab').write(b'two')"]
    writer = threading.Timer(0.1, subprocess.run, [command])
    writer.start()
    assert watching.wait(LONG)
    writer.join()


def test_a_file_that_takes_the_name_is_watched_from_the_next_call_on(file: Path) -> None:
    watching = Written()
    watching.watch(str(file))
    file.unlink()
    file.write_bytes(b"")
    watching.watch(str(file))
    watching.wait(0)
    file.write_bytes(b"three")
    assert watching.wait(LONG)


def test_a_file_that_is_not_there_is_never_written(tmp_path: Path) -> None:
    watching = Written()
    assert not watching.watch(str(tmp_path / "nothing"))
    assert not watching.wait(0)


def test_a_kernel_that_cannot_tell_is_waited_for_all_the_same(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    monkeypatch.setattr(written, "_new_queue", lambda: -1)
    watching = Written()
    assert not watching.watch(str(file))
    file.write_bytes(b"four")
    assert not watching.wait(0.01)
