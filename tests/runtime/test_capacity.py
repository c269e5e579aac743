"""The three policies of concurrency, against the administrator guide, and the memory that they are fed with."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

from processing.runtime import capacity, cgroup
from processing.runtime.parameters import Parameters

GIB = 1024**3


@pytest.fixture(autouse=True)
def measured_anew() -> None:
    """A measurement is kept for a second; here every test has a machine of its own."""
    capacity._measured.cache_clear()
    capacity._looked_up.cache_clear()
    capacity._counted.cache_clear()


def test_it_works(settings: Settings) -> None:
    settings.API_V2_CONCURRENCY_POLICY = "safe"
    assert capacity.effective_max_concurrent(Parameters()) >= 1
    assert capacity.effective_max_concurrent(Parameters(max_concurrent=17)) == 17


def guides_function(ram_gb: float) -> int:
    """The function of the guide's section "Automatic Calculation", as printed."""
    memory_per_file = 520
    available_ram = ram_gb * 1024 * 0.7
    max_concurrent = max(1, int(available_ram / memory_per_file))
    if ram_gb >= 512:
        return min(max_concurrent, 30)
    if ram_gb >= 32:
        return min(max_concurrent, 6)
    if ram_gb >= 16:
        return min(max_concurrent, 3)
    return 1


@pytest.mark.parametrize("ram_gb", [0.1, 0.5, 1, 2, 4, 8, 12, 15, 16, 24, 30, 32, 64, 128, 256, 480, 512, 1024])
def test_safe_is_the_guides_function(ram_gb: float) -> None:
    assert capacity.max_concurrent("safe", int(ram_gb * GIB), cores=4) == guides_function(ram_gb)


@pytest.mark.parametrize(
    ("ram_gb", "documents"),
    [(1, 1), (15, 1), (16, 3), (24, 3), (32, 6), (48, 6), (64, 12), (128, 24), (255 * 0.9, 24), (256, 30), (1024, 30)],
)
def test_recommended_is_the_guides_table(ram_gb: float, documents: int) -> None:
    assert capacity.max_concurrent("recommended", int(ram_gb * GIB), cores=1) == documents


@pytest.mark.parametrize(
    ("ram_gb", "cores", "documents"),
    [(0.25, 8, 1), (4, 8, 5), (16, 4, 8), (16, 2, 4), (64, 64, 30), (16, 0, 1)],
)
def test_optimal_is_the_least_of_memory_cores_and_thirty(ram_gb: float, cores: int, documents: int) -> None:
    assert capacity.max_concurrent("optimal", int(ram_gb * GIB), cores) == documents


@pytest.mark.parametrize(
    ("ram_gb", "safe", "recommended"),
    [(15.21, 3, 3), (15.1, 1, 1), (30.41, 6, 6), (30.3, 3, 3), (61, 6, 12), (487, 30, 30)],
)
def test_a_step_is_reached_five_percent_early(ram_gb: float, safe: int, recommended: int) -> None:
    assert capacity.max_concurrent("safe", int(ram_gb * GIB), cores=4) == safe
    assert capacity.max_concurrent("recommended", int(ram_gb * GIB), cores=4) == recommended


@pytest.mark.parametrize(
    ("ram_gb", "cores", "threads", "documents"),
    [(24, 2, 2, 1), (64, 16, 4, 4), (4, 16, 4, 1), (8, 16, 4, 3), (0.5, 1, 1, 1), (64, 2, 4, 1)],
)
def test_text_is_recognised_as_often_as_memory_and_cores_bear(
    ram_gb: float, cores: int, threads: int, documents: int
) -> None:
    assert capacity.max_concurrent_ocr(int(ram_gb * GIB), cores, threads) == documents


def test_an_administrator_says_how_often_text_is_recognised_at_once() -> None:
    assert capacity.effective_max_concurrent_ocr(Parameters(), threads=2) >= 1
    assert capacity.effective_max_concurrent_ocr(Parameters(max_concurrent_ocr=7), threads=2) == 7


def group(path: Path, files: dict[str, str]) -> None:
    path.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (path / name).write_text(text)


def test_the_tightest_limit_on_the_way_up_holds(tmp_path: Path) -> None:
    proc = tmp_path / "cgroup"
    proc.write_text("0::/system.slice/api.service\n")
    mount = tmp_path / "fs"
    group(mount / "system.slice" / "api.service", {"memory.max": "max\n", "memory.current": "5\n", "memory.stat": ""})
    group(
        mount / "system.slice",
        {"memory.max": "4000\n", "memory.current": "3000\n", "memory.stat": "anon 900\ninactive_file 1000\n"},
    )
    assert cgroup.tightest_memory_limit(proc, mount) == cgroup.MemoryLimit(limit=4000, working_set=2000)


def test_a_container_that_cannot_see_its_path_reads_the_mounts_root(tmp_path: Path) -> None:
    proc = tmp_path / "cgroup"
    proc.write_text("9:name=systemd:/\n4:cpu,memory:/docker/abc\n0::/\n")
    mount = tmp_path / "fs"
    group(
        mount / "memory",
        {
            "memory.limit_in_bytes": "1000\n",
            "memory.usage_in_bytes": "700\n",
            "memory.stat": "inactive_file 1\ntotal_inactive_file 200\n",
        },
    )
    assert cgroup.tightest_memory_limit(proc, mount) == cgroup.MemoryLimit(limit=1000, working_set=500)


@pytest.mark.parametrize("text", ["", "0::/\n", "4:memory:/gone\n", "0::/../../..\n"])
def test_no_readable_limit_is_no_limit(text: str, tmp_path: Path) -> None:
    (tmp_path / "cgroup").write_text(text)
    assert cgroup.tightest_memory_limit(tmp_path / "cgroup", tmp_path / "fs") is None
    assert cgroup.tightest_memory_limit(tmp_path / "missing", tmp_path / "fs") is None


def test_a_limit_of_the_group_sizes_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroup, "tightest_memory_limit", lambda: cgroup.MemoryLimit(512 * 1024**2, 128 * 1024**2))
    assert capacity.usable_ram() == 512 * 1024**2
    assert capacity.memory_usage() == capacity.MemoryUsage(used_percent=25.0, available_mb=384.0, total_mb=512.0)


def test_a_limit_above_the_machine_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroup, "tightest_memory_limit", lambda: cgroup.MemoryLimit(2**63 - 4096, 0))
    usage = capacity.memory_usage()
    assert usage.total_mb * 1024**2 == pytest.approx(capacity.usable_ram(), rel=0.01)
    assert 0 <= usage.used_percent <= 100


@pytest.mark.parametrize(
    ("proc", "files", "processors"),
    [
        ("0::/api\n", {"api": {"cpu.max": "max 100000\n"}, ".": {"cpu.max": "250000 100000\n"}}, 2.5),
        ("0::/api\n", {"api": {"cpu.max": "50000 100000\n"}, ".": {"cpu.max": "250000 100000\n"}}, 0.5),
        ("1:cpu,cpuacct:/\n", {"cpu": {"cpu.cfs_quota_us": "300000\n", "cpu.cfs_period_us": "100000\n"}}, 3),
        ("1:cpu:/\n", {"cpu": {"cpu.cfs_quota_us": "-1\n", "cpu.cfs_period_us": "100000\n"}}, None),
        ("0::/api\n", {"api": {"cpu.max": "nonsense\n"}}, None),
        ("0::/api\n", {}, None),
    ],
)
def test_the_tightest_quota_on_the_way_up_holds(
    proc: str, files: dict[str, dict[str, str]], processors: float | None, tmp_path: Path
) -> None:
    (tmp_path / "cgroup").write_text(proc)
    for name, texts in files.items():
        group(tmp_path / "fs" / name, texts)
    assert cgroup.tightest_cpu_quota(tmp_path / "cgroup", tmp_path / "fs") == processors


@pytest.mark.parametrize(("quota", "cores"), [(0.5, 1), (1.9, 1), (3.0, 3), (64.0, 4), (None, 4)])
def test_a_quota_of_the_group_sizes_the_work(monkeypatch: pytest.MonkeyPatch, quota: float | None, cores: int) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: {0, 1, 2, 3})
    monkeypatch.setattr(cgroup, "tightest_cpu_quota", lambda: quota)
    assert capacity.usable_cores() == cores
