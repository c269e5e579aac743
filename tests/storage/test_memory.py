"""A large document passes through little memory, whichever storage it lies in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.stack.service import ROOT, environment_for
from tests.storage.servers import Server

pytestmark = pytest.mark.timeout(300)
_MOST = 50 * 1024 * 1024


def test_it_works(server: Server, tmp_path: Path) -> None:
    environment = environment_for(tmp_path, 1, STORAGE_PROVIDER=server.provider, **server.variables)
    command = [sys.executable, "-m", "tests.storage.streamed"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert 0 <= int(done.stdout) <= _MOST, f"{server.provider}: {int(done.stdout) / 1024**2:.1f} MB"
    assert list((tmp_path / "incoming").iterdir()) == []
