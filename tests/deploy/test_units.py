"""The units, kernel settings and limits that are shipped are well-formed, and confine the service as they promise."""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.guide.programs import require
from tests.stack.service import ROOT

UNITS = sorted((ROOT / "deploy/systemd").glob("openwebui*"))
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
MOST_EXPOSED = 20  # of systemd's 0 (confined) to 100 (unsafe), as `--threshold` counts


def by_name(path: Path) -> str:
    return path.name


def test_it_works(tmp_path: Path) -> None:
    """As systemd reads them, with the paths of this checkout."""
    require("systemd-analyze")
    for unit in UNITS:
        own = unit.read_text().replace("/opt/openwebui/.venv/bin/python", sys.executable)
        (tmp_path / unit.name).write_text(own.replace("/opt/openwebui", str(ROOT)))
    copies = [tmp_path / unit.name for unit in UNITS]
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *copies], capture_output=True, text=True)
    about_ours = [line for line in done.stderr.splitlines() if "openwebui" in line]
    assert (done.returncode, about_ours) == (0, [])


@pytest.mark.parametrize("unit", SERVICES, ids=by_name)
def test_a_service_is_confined(unit: Path) -> None:
    require("systemd-analyze")
    command = ["systemd-analyze", "security", "--offline=yes", f"--threshold={MOST_EXPOSED}", unit]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-200:]


@pytest.mark.parametrize("unit", SERVICES, ids=by_name)
def test_a_service_runs_what_there_is(unit: Path) -> None:
    options = configparser.RawConfigParser(strict=False)
    options.optionxform = str  # type: ignore[assignment,method-assign]
    options.read_string(unit.read_text())
    service = options["Service"]
    command = service["ExecStart"].removeprefix("/opt/openwebui/.venv/bin/python ")
    if command.startswith("-m "):
        assert (ROOT / f"{command[3:].replace('.', '/')}.py").exists()
    else:
        assert re.fullmatch(r"manage.py (serve|cluster)", command)
    assert service["LimitNOFILE"] == "65536"
    assert service["User"] == "openwebui"
    assert service["OOMPolicy"] == "continue"


def test_the_guides_names_are_those_of_units() -> None:
    """`systemctl restart openwebui`, `systemctl restart open-webui`, `journalctl -u openwebui`."""
    assert "\nAlias=open-webui.service\n" in (ROOT / "deploy/systemd/openwebui.service").read_text()


def test_parts_that_run_apart_leave_room_for_each_other() -> None:
    """Web server, streams and workers of one host do not together use more than there is, but for what they share."""
    most = [re.findall(r"^MemoryMax=(\d+)%", unit.read_text(), re.MULTILINE) for unit in SERVICES]
    apart = {unit.name: int(percent[0]) for unit, percent in zip(SERVICES, most, strict=True)}
    assert apart["openwebui-web.service"] + apart["openwebui-workers.service"] <= 95
    assert apart["openwebui.service"] <= 95


def test_every_kernel_setting_exists() -> None:
    lines = _settings("deploy/sysctl.d/60-openwebui.conf")
    assert len(lines) >= 4
    for line in lines:
        name, _, value = line.partition(" = ")
        assert value.isdigit(), line
        if Path("/proc/sys/vm").exists():
            assert (Path("/proc/sys") / name.replace(".", "/")).exists(), name


def test_limits_are_as_pam_reads_them() -> None:
    for line in _settings("deploy/limits.d/openwebui.conf"):
        assert re.fullmatch(r"openwebui (soft|hard) (nofile|core) \d+", line), line


def _settings(name: str) -> list[str]:
    return [line for line in (ROOT / name).read_text().splitlines() if line and not line.startswith("#")]
