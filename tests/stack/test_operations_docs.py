"""The commands of docs/operations and the scripts of deploy/scripts do what these pages say, as they stand there."""

from __future__ import annotations

import contextlib
import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests import samples
from tests.guide.programs import require
from tests.stack.service import ROOT, RunningService, free_port, running_service
from tests.stack.test_model_docs import commands
from tests.stack.test_readme import paste
from tests.stack.test_work import Caller

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

SCRIPTS = ROOT / "deploy" / "scripts"
URL = "http://127.0.0.1:3000"
PATIENCE = 120.0  # seconds


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service of its own, which is stopped, restored and moved."""
    with running_service(tmp_path_factory.mktemp("operated")) as running:
        yield running


def script(name: str, environment: dict[str, str], *arguments: str) -> str:
    """What a script prints, run by its own first line."""
    done = subprocess.run(
        [SCRIPTS / name, *arguments],
        env={"PYTHON": sys.executable, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_scripts_are_clean() -> None:
    require("shellcheck")
    found = sorted(SCRIPTS.glob("*.sh"))
    assert len(found) == 6
    done = subprocess.run(["shellcheck", *found], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_health(service: RunningService) -> None:
    require("bash", "curl", "jq", "bc")
    told = [
        paste(each.replace(URL, service.url), service.environment) for each in commands("docs/operations/health.md")
    ]
    live, ready, health, command, waiting, inside, check, comprehensive = told
    assert (json.loads(live), json.loads(ready)) == ({"status": "alive"}, {"status": "ready"})
    assert {json.loads(each)["status"] for each in (health, command, waiting, inside)} <= {"healthy", "degraded"}
    assert check == "✅ API v2 is healthy\n"
    assert "🤖 Available models: 1" in comprehensive


def test_health_of_nobody(service: RunningService) -> None:
    require("bash", "curl", "jq", "bc")
    nobody = f"http://127.0.0.1:{free_port()}"
    for command in (
        f"{SCRIPTS}/health_check.sh",
        f"{SCRIPTS}/comprehensive_check.sh",
        f"{sys.executable} manage.py health --wait 0.5 --url {nobody}",
    ):
        variables = {"HEALTH_URL": f"{nobody}/api/v2/health", "API_URL": f"{nobody}/api/v2"}
        done = subprocess.run(
            command.split(), cwd=ROOT, env={**service.environment, **variables}, capture_output=True, text=True
        )
        assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["status"] == "unreachable"


def test_backup_and_restore(service: RunningService, tmp_path: Path) -> None:
    require("bash")
    plain, *identity_and_sealed, dry_run, replacing, elsewhere, _nightly = commands("docs/operations/backup.md")

    def placed(command: str) -> str:
        named = command.replace("/backup/api-v2", str(tmp_path / "shelf"))
        return named.replace("identity.txt", str(tmp_path / "identity.txt"))

    made = paste(placed(plain), service.environment).strip()
    assert Path(made).parent == tmp_path / "shelf"
    sealed = paste("\n".join(map(placed, identity_and_sealed)), service.environment).strip()
    new = {**service.environment, "API_V2_DATA_DIR": str(tmp_path / "new")}
    for command, there, says in (
        (dry_run, service.environment, "The archive can be restored."),
        (elsewhere, new, "Restored."),
        (replacing, new, "Restored."),
    ):
        assert paste(placed(command).replace("ARCHIVE", Path(sealed).name), there).startswith(says)
    key = "secret_key"
    assert (tmp_path / "new" / key).read_text() == (service.data_dir / key).read_text()


def test_databases(service: RunningService, tmp_path: Path) -> None:
    """But the last, which tests/postgres runs."""
    require("bash")
    version, backup, _move = commands("docs/operations/databases.md")
    assert paste(version, service.environment).startswith("3.")
    assert paste(backup.replace("/backup/api-v2", str(tmp_path)), service.environment).startswith(str(tmp_path))


def test_configuration_is_saved(service: RunningService, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=3000\n")
    environment = {**service.environment, "ENV_FILE": str(tmp_path / ".env"), "BACKUP_DIR": str(tmp_path / "today")}
    assert script("backup_config.sh", environment).strip().endswith(f"✅ Backup completed: {tmp_path / 'today'}")
    saved = sorted((tmp_path / "today").glob("[!.]*"))
    assert [path.name for path in saved][1:] == ["api_config.json", "env.backup"]
    assert all(path.stat().st_mode & 0o077 == 0 for path in saved)
    assert json.loads((tmp_path / "today" / "api_config.json").read_text())["version"] == "2.0.0"


def test_a_service_is_recovered_and_moved(service: RunningService, tmp_path: Path) -> None:
    """From the nightly archive, and then to another server. What ssh would reach is a directory of this machine."""
    require("bash", "rsync", "flock")
    key = service.key
    caller = Caller(service, key=key)
    task = caller.submit("invoice.txt", samples.INVOICE.encode(), model="local")
    answer = caller.ended(task)["result"]
    [nightly] = [line for line in commands("docs/operations/backup.md") if "backup_files.sh" in line]
    nightly = nightly.replace("/backup/api-v2", str(tmp_path / "shelf")).replace("KEEP=14", "KEEP=1")
    environment = {**service.environment, "PYTHON": sys.executable, "MIRROR": str(tmp_path / "mirror")}
    (tmp_path / "mirror").mkdir()
    for _ in range(2):
        said = paste(nightly, environment)
        [archive] = (tmp_path / "shelf").glob("api-v2-*.tar")
        assert said == f"✅ Backup completed: {archive}\n"
        assert [path.name for path in (tmp_path / "mirror").iterdir()] == [archive.name]

    with contextlib.ExitStack() as stack:
        lost = caller.submit("later.txt", b"Submitted after the backup.", model="local")
        recovering = {
            **service.environment,
            "BACKUP_DIR": str(tmp_path / "shelf"),
            "STOP": stop(service.process.pid, service.data_dir),
            "START": start(stack, tmp_path / "old"),
        }
        archives = (tmp_path / "shelf" / "before-recovery").glob("*.tar")
        # The key that is in the data directory is not replaced: the archive needs none.
        assert "✅ Recovered from" in script("recover_service.sh", recovering)
        assert len(list(archives)) == 1
        assert caller.status(task)["result"] == answer
        assert caller.http.get(f"/api/v2/status/{lost}").status_code == 404

        new = RunningService(f"http://127.0.0.1:{free_port()}", tmp_path / "there", service.process, {}, "")
        new.data_dir.mkdir()
        there = {"API_V2_DATA_DIR": str(new.data_dir), "PORT": new.url.rpartition(":")[2]}
        moving = {
            **service.environment,
            "ENV_FILE": str(tmp_path / "no-env"),
            "STOP": stop(int((tmp_path / "old.pid").read_text()), service.data_dir),
            "NEW_SERVER": "new-server.test",
            "NEW_APP_DIR": str(ROOT),
            "NEW_PYTHON": sys.executable,
            "NEW_DIR": str(tmp_path),
            "NEW_START": start(stack, tmp_path / "new"),
            "REMOTE_SHELL": str(remote_shell(tmp_path / "remote", there)),
        }
        assert "new-server.test serves" in script("migrate_to_new_server.sh", moving)
        assert not list(tmp_path.glob("*.tar"))
        assert Caller(new, key=key).status(task)["result"] == answer


@pytest.mark.parametrize(
    ("said", "flags"),
    [
        ({}, ""),
        ({"ACCEPT_OTHER_KEY": "yes"}, " --accept-other-key"),
        ({"ACCEPT_OTHER_KEY": "yes", "ALLOW_SUPERUSER": "yes"}, " --accept-other-key --allow-superuser"),
    ],
)
def test_a_recovery_accepts_what_it_is_told_to(tmp_path: Path, said: dict[str, str], flags: str) -> None:
    """In the dry run, which stops nothing, as in the restore."""
    require("bash")
    commands = tmp_path / "commands"
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho "$*" >> {shlex.quote(str(commands))}\n')
    python.chmod(0o700)
    environment = {"PATH": "/usr/bin:/bin", "PYTHON": str(python), "BACKUP_DIR": str(tmp_path), "STOP": "true", **said}
    script("recover_service.sh", {**environment, "START": "true"}, "archive.tar")
    restores = [line for line in commands.read_text().splitlines() if " restore " in line]
    assert restores == [
        f"manage.py restore archive.tar{flags} --dry-run",
        f"manage.py restore archive.tar{flags} --replace",
    ]


@pytest.mark.parametrize(
    ("said", "flags"), [({}, "--accept-other-key"), ({"ALLOW_SUPERUSER": "1"}, "--accept-other-key --allow-superuser")]
)
def test_a_move_accepts_the_key_that_comes_along(tmp_path: Path, said: dict[str, str], flags: str) -> None:
    require("bash")
    asked = tmp_path / "asked"
    programs = {"python": "echo /somewhere/archive.tar", "ssh": f'echo "$*" >> {shlex.quote(str(asked))}', "rsync": ":"}
    for name, does in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o700)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "PYTHON": str(tmp_path / "python"), "NEW_PYTHON": "python3"}
    moving = {"NEW_SERVER": "there", "STOP": "true", "NEW_DIR": "/var/tmp"}
    script("migrate_to_new_server.sh", {**environment, **moving, **said})
    assert f"{{ python3 manage.py restore /var/tmp/archive.tar {flags}; code=$?;" in asked.read_text()


def stop(pid: int, data_dir: Path) -> str:
    """As a unit's stop: back when nothing of the service is left."""
    return f"kill -TERM {pid}; flock {shlex.quote(str(data_dir / 'use.lock'))} true"


def start(stack: contextlib.ExitStack, place: Path) -> str:
    """As a unit's start: back at once. The service ends with the stack."""
    pid = place.with_suffix(".pid")
    stack.callback(_end, pid)
    serve = f"setsid {shlex.quote(sys.executable)} manage.py serve > {place}.log 2>&1 < /dev/null & echo $! > {pid}"
    return f"bash -c {shlex.quote(serve)}"


def _end(pid_file: Path) -> None:
    if not pid_file.exists():
        return
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(int(pid_file.read_text()))
        process.terminate()
        process.wait(PATIENCE)


def remote_shell(path: Path, there: dict[str, str]) -> Path:
    """What ssh does with its arguments, in another environment of the same machine."""
    variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in there.items())
    path.write_text(f'#!/bin/bash\nshift\nexec env {variables} bash -c "$*"\n')
    path.chmod(0o700)
    return path
