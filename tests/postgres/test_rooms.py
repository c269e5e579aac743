"""The rooms that ask most of a database pass their own tests on PostgreSQL too."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.stack.service import ROOT

ROOMS = (
    *("tests/tasks", "tests/queue", "tests/runtime", "tests/access", "tests/delivery", "tests/api/test_process.py"),
    *("tests/api/test_repeats.py", "tests/api/test_batches.py"),
    *("tests/api/test_signin.py", "tests/api/test_key_endpoints.py", "tests/api/test_rate_limits.py"),
    "tests/api/test_events.py",
)
# They ask nothing of a database.
_LEFT_OUT = (
    *("tests/delivery/test_fetching.py", "tests/queue/test_pipes.py", "tests/runtime/test_capacity.py"),
    *("tests/runtime/test_defaults.py", "tests/runtime/test_heap.py", "tests/runtime/test_parameters.py"),
    "tests/runtime/test_strict_json.py",
)


@pytest.mark.timeout(600)
def test_it_works(database_url: str) -> None:
    """The same as `TEST_DATABASE_URL=postgres://… pytest`, which takes all tests."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *ROOMS]
    command += [f"--ignore={each}" for each in _LEFT_OUT]
    environment = {**os.environ, "TEST_DATABASE_URL": database_url}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-8000:]
