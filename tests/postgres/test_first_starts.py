"""Several hosts that start at once on one empty PostgreSQL: each finds it ready, and one has made it so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.postgres.server import Server
from tests.stack.service import ROOT, environment_for

pytestmark = pytest.mark.timeout(240)

HOSTS = 3
PREPARE = """
from django.conf import settings
from processing.operations import first_run
made = first_run.prepare({}, lambda _: None)
print("made" if made else "found")
"""


def test_it_works(postgres: Server, database_url: str, tmp_path: Path) -> None:
    started = []
    for number in range(HOSTS):
        directory = tmp_path / str(number)
        directory.mkdir()
        environment = environment_for(directory, 1, DATABASE_URL=database_url)
        command = [sys.executable, "manage.py", "shell", "--no-imports", "-v0", "-c", PREPARE]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True))
    ended = [process.communicate(timeout=200) for process in started]
    assert [process.returncode for process in started] == [0] * HOSTS, [errors for _, errors in ended]
    assert sorted(said.strip() for said, _ in ended) == ["found"] * (HOSTS - 1) + ["made"]
    database = database_url.rsplit("/", 1)[-1]
    assert postgres.query("SELECT count(*) FROM auth_user", database) == "1"
