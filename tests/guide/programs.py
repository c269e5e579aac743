"""Runs the guide's commands as a person pastes them: in bash, with host, port, token and task id replaced."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def require(*programs: str) -> None:
    """Skip where a program is missing, which a developer's machine may; fail under CI, which has to have them."""
    missing = [program for program in programs if shutil.which(program) is None]
    if not missing:
        return
    reason = f"the guide's commands need {', '.join(missing)}"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def paste(command: str, address: str, **placeholders: str) -> subprocess.CompletedProcess[str]:
    """Run the command in bash. `address` is the service's host:port, `placeholders` stand in the guide as `<name>`."""
    return _bash(["-c", _filled(command, address, placeholders)])


def run_script(text: str, address: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Save the script and run it by its own first line, as cron would."""
    script = directory / "script.sh"
    script.write_text(_filled(text, address, {}))
    script.chmod(0o700)
    return subprocess.run([script], capture_output=True, text=True, env=_environment(), timeout=60)


def _filled(text: str, address: str, placeholders: dict[str, str]) -> str:
    text = text.replace("localhost:3000", address)
    for name, value in placeholders.items():
        assert f"<{name}>" in text
        text = text.replace(f"<{name}>", value)
    return text


def _bash(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", *arguments], capture_output=True, text=True, env=_environment(), timeout=60)


def _environment() -> dict[str, str]:
    """No proxy, no `.curlrc`."""
    return {"PATH": os.environ["PATH"], "HOME": os.devnull, "LANG": "C.UTF-8"}
