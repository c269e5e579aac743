"""The commands of the pages on running the service do what these pages say, as far as they can run here: without
systemd as process 1, without a container engine, and without changing this machine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.guide.programs import require
from tests.stack.service import ROOT, RunningService, environment_for

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

PAGES = ("deploying", "logs", "proxies", "tuning", "upgrading")
# What changes the machine or needs what is not here: these are shown to an operator and are not tried.
NOT_HERE = (
    *(
        "apt ",
        "useradd ",
        "git clone",
        "git pull",
        "systemctl ",
        "journalctl ",
        "docker ",
        "ufw ",
        "a2enmod ",
        "a2ensite ",
    ),
    *("sysctl --system", "python3 requirements/install.py", "python3 /opt/openwebui/requirements/install.py", "sudo "),
    *("nginx -t", "apachectl "),
)


def page(name: str) -> str:
    return (ROOT / f"docs/operations/{name}.md").read_text()


def commands(name: str) -> list[str]:
    """The lines of a page that a person pastes: of its bash blocks, and those that are indented; settings are none."""
    text = page(name)
    lines = "\n".join(re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    lines += "\n" + "\n".join(re.findall(r"^ {4,8}(\S.*)$", text, re.MULTILINE))
    whole = [re.sub(r"\s+# .*", "", line).strip() for line in lines.replace("\\\n", " ").splitlines()]
    return [line for line in whole if line and not re.match(r"[A-Z_0-9]+=|\d{4}-", line)]


def of_program(name: str, word: str) -> list[str]:
    return [line for line in commands(name) if line.startswith(word)]


def paste(command: str, environment: dict[str, str], cwd: Path = ROOT) -> str:
    command = command.replace(".venv/bin/python", sys.executable)
    done = subprocess.run(
        ["bash", "-c", f"set -e -o pipefail; {command}"], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("name", PAGES)
def test_what_a_page_names_is_there(name: str) -> None:
    text = page(name)
    for path in re.findall(r"(?<![\w/.])deploy/[\w./-]+[\w]", text):
        assert (ROOT / path).exists() or path.endswith(".env"), path
    for link in re.findall(r"\]\(([\w./-]+)(?:#[\w-]+)?\)", text):
        assert (ROOT / "docs/operations" / link).exists(), link
    for link, anchor in re.findall(r"\]\(([\w./-]*)#([\w-]+)\)", text):
        target = (ROOT / "docs/operations" / link).read_text() if link else text
        headings = re.findall(r"^#+ (.*)$", target, re.MULTILINE)
        assert anchor in {re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings}, anchor
    found = {path.stem for path in ROOT.glob("*/management/commands/*.py")}
    known = {"migrate", "collectstatic", "createsuperuser", "showmigrations"} | found
    assert set(re.findall(r"manage\.py (\w+)", text)) <= known


def test_files_are_put_where_the_pages_put_them(tmp_path: Path) -> None:
    """Below another root: every copy, and every change of what was copied."""
    for folder in ("nginx/sites-available", "nginx/sites-enabled", "apache2/sites-available", "logrotate.d"):
        (tmp_path / "etc" / folder).mkdir(parents=True)
    for folder in ("systemd/system", "sysctl.d", "security/limits.d"):
        (tmp_path / "etc" / folder).mkdir(parents=True)
    ran = 0
    for name in PAGES:
        for line in commands(name):
            kept = " && ".join(part for part in line.split(" && ") if not part.strip().startswith(NOT_HERE))
            if not kept.startswith(("cp ", "ln ", "sed ")) or ".env" in kept:
                continue
            kept = kept.replace("/opt/openwebui", str(ROOT)).replace("<host>", "api.example.org")
            paste(re.sub(r"(?<![\w.])/etc/", f"{tmp_path}/etc/", kept), {"PATH": os.environ["PATH"]})
            ran += 1
    assert ran >= 11
    etc = tmp_path / "etc"
    assert len(list((etc / "systemd/system").iterdir())) == 5
    assert (etc / "nginx/sites-enabled/openwebui-api-v2").resolve().exists()
    assert (etc / "apache2/openwebui-errors/413.json").exists()
    for site in ("nginx/sites-available/openwebui-api-v2", "apache2/sites-available/openwebui-api-v2.conf"):
        text = (etc / site).read_text()
        assert "api.example.org" in text
        assert "yourdomain" not in text.replace("Replace api.yourdomain.com", "")


def test_hosts_are_prepared(tmp_path: Path) -> None:
    """Several machines: what is done on one of them, then what each web host does; and what an upgrade asks first."""
    environment = environment_for(tmp_path, 1)
    environment |= {"DJANGO_SUPERUSER_PASSWORD": "not-a-secret", "DJANGO_SUPERUSER_USERNAME": "ada"}
    prepare = of_program("deploying", ".venv/bin/python")
    assert [line.split()[2] for line in prepare] == ["migrate", "provision_models", "createsuperuser", "collectstatic"]
    before, *_ = of_program("upgrading", ".venv/bin/python")
    script = [*prepare, before]
    script[2] += " --noinput --email ada@example.org"
    assert "[X]  processing.0015_batches_are_told" in paste("; ".join(script), environment)
    assert (tmp_path / "static").is_dir()


def test_figures_are_read(service: RunningService) -> None:
    require("curl", "jq", "sysctl")
    environment = {"PATH": os.environ["PATH"], "HOME": os.devnull}
    concurrent, memory = [line.replace("http://localhost:3000", service.url) for line in of_program("tuning", "curl")]
    assert int(paste(concurrent, environment)) >= 1
    assert '"used_percent"' in paste(memory, environment)
    (kernel,) = of_program("tuning", "sysctl vm")
    assert "vm.swappiness = " in paste(kernel, environment)
    (health,) = of_program("deploying", "curl")
    assert '"status"' in paste(health.replace("http://localhost:3000", service.url), environment)


def test_logs_are_found_and_their_rotation_is_understood(tmp_path: Path) -> None:
    require("logrotate")
    log = tmp_path / "api_v2.log"
    events = [
        "2026-11-27 12:00:01,250 INFO processing.tasks.lifecycle task completed task=7 attempt=1",
        "2026-11-27 12:00:02,250 INFO processing.tasks.lifecycle Failed task task=8 attempt=1 code=task_timeout",
    ]
    log.write_text("\n".join(events) + "\n")
    environment = {"PATH": os.environ["PATH"]}

    def lines(command: str) -> list[str]:
        """`tail` to the end of the file instead of for ever."""
        command = command.replace("/var/log/openwebui/api_v2.log", str(log)).replace("tail -F", "tail")
        return paste(command, environment).splitlines()

    errors, performance, success = of_program("logs", "tail")
    assert (lines(errors), lines(performance), lines(success)) == ([events[1]], [events[1]], [events[0]])
    (about,) = of_program("logs", "grep")
    assert lines(about.replace("<task_id>", "task=7")) == [events[0]]
    (check,) = of_program("logs", "logrotate")
    rules = tmp_path / "api-v2"
    user = "root root" if os.geteuid() == 0 else ""
    shipped = (ROOT / "deploy/logrotate.d/api-v2").read_text()
    shipped = shipped.replace("su openwebui openwebui", f"su {user}" if user else "")
    rules.write_text(shipped.replace("/var/log/openwebui", str(tmp_path)))
    rules.chmod(0o644)
    paste(check.replace("/etc/logrotate.d/api-v2", f"--state {tmp_path}/state {rules}"), environment)


def test_the_concurrency_that_a_page_tells_is_that_of_the_program() -> None:
    from processing.runtime.capacity import max_concurrent

    rows = re.findall(r"^\| (\d+) GB \| (\d+) \| (\d+) \|$", page("tuning"), re.MULTILINE)
    assert len(rows) == 6
    for memory, safe, recommended in rows:
        usable = int(memory) * 1024**3
        assert max_concurrent("safe", usable, 64) == int(safe)
        assert max_concurrent("recommended", usable, 64) == int(recommended)
