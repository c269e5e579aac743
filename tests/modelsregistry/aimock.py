"""`aimock`, a stand-in for Ollama that others wrote, as a process of its own on loopback.

Its package is locked in `requirements/stand_ins`. Its journal drops pictures: that these arrive is proven elsewhere.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

_PACKAGE = Path(__file__).parents[2] / "requirements/stand_ins/node_modules/@copilotkit/aimock"
_LISTENING = "listening on "


@contextmanager
def running(directory: Path, fixtures: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The server's address. Each of `fixtures` says what a request is answered that `match`es it; others get a 503."""
    _require()
    written = directory / "fixtures.json"
    written.write_text(json.dumps({"fixtures": fixtures}))
    command = ["node", str(_PACKAGE / "dist/cli.js"), "-p", "0", "-f", str(written), "-c", "5"]
    command += ["--strict", "--validate-on-load"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        try:
            assert server.stdout is not None
            said: list[str] = []
            for line in server.stdout:
                said.append(line)
                if _LISTENING in line:
                    break
            else:
                pytest.fail(f"aimock did not start: {''.join(said)}")
            yield line.partition(_LISTENING)[2].strip()
        finally:
            server.kill()


def asked(url: str) -> list[dict[str, Any]]:
    """The bodies of the requests so far, oldest first, without their pictures."""
    rows = httpx.get(f"{url}/__aimock/journal", trust_env=False).raise_for_status().json()
    return [row["body"] for row in rows if row["method"] == "POST"]


def _require() -> None:
    """Skip where the server is not installed; on CI that is a failure."""
    if shutil.which("node") and _PACKAGE.is_dir():
        return
    reason = "aimock is not installed; make test installs it where there is npm."
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
