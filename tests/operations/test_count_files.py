"""What web processes count lies in files without holes, and a full disk ends nobody and fails nothing."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from prometheus_client.mmap_dict import MmapedDict

from processing.operations import count_files, web_metrics
from processing.operations.count_files import INITIAL, AllocatedDict, LastingDict

SERIES = 5000  # more than the first size has room for


def fill(patch: pytest.MonkeyPatch) -> None:
    """Let no file on the disk grow; memory has room."""
    real = os.posix_fallocate

    def allocate(number: int, offset: int, length: int) -> None:
        if "memfd" not in str(Path(f"/proc/self/fd/{number}").readlink()):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(number, offset, length)

    patch.setattr(count_files.os, "posix_fallocate", allocate)


def read(path: Path) -> dict[str, float]:
    return {key: value for key, value, *_ in MmapedDict.read_all_values_from_file(str(path))}


def counted(counts: MmapedDict, series: int = SERIES) -> dict[str, float]:
    for number in range(series):
        counts.write_value(f"a series of some length, number {number}", float(number), 0.0)
    return {key: value for key, value, _ in counts.read_all_values()}


def test_it_works(tmp_path: Path) -> None:
    path = tmp_path / "counter_1.db"
    told = counted(LastingDict(str(path)))
    assert len(told) == SERIES
    assert read(path) == told
    status = path.stat()
    assert status.st_size > INITIAL
    assert status.st_blocks * 512 >= status.st_size, "there are holes"


def test_a_file_is_taken_up_again(tmp_path: Path) -> None:
    told = counted(LastingDict(str(tmp_path / "a")), 3)
    assert {key: value for key, value, _ in LastingDict(str(tmp_path / "a")).read_all_values()} == told


def test_a_disk_that_is_full_from_the_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(monkeypatch)
    assert len(counted(LastingDict(str(tmp_path / "a")))) == SERIES
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OSError, match="No space left"):
        AllocatedDict(str(tmp_path / "b"))


def test_a_disk_that_fills_up_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = LastingDict(str(tmp_path / "a"))
    before = counted(counts, 3)
    fill(monkeypatch)
    told = counted(counts)
    assert len(told) == SERIES
    assert before.items() <= told.items()


def test_what_the_dead_counted_is_left_for_later_where_there_is_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "counter_999999999.db"
    told = counted(LastingDict(str(path)), 3)
    with monkeypatch.context() as patch:
        fill(patch)
        with pytest.raises(OSError, match="No space left"):
            web_metrics.merge_dead(tmp_path)
    assert read(path) == told
    web_metrics.merge_dead(tmp_path)
    assert read(tmp_path / "counter_0.db") == told
    assert not path.exists()
