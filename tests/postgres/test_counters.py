"""On PostgreSQL processes count and add up beside one another; none waits for another, no count is lost or doubled."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.postgres.server import Server
from tests.stack.service import ROOT, environment_for

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

PROCESSES, EACH = 4, 60
# Each counts in an order of its own, and undoes every other transaction.
COUNT = f"""
import random
from django.db import connection, transaction
from processing import metrics
from processing.counters import ledger
connection.cursor().execute("SET lock_timeout = '2s'")
for number in range({EACH}):
    with transaction.atomic():
        for each in random.sample([metrics.COMPLETED, metrics.CANCELLED, metrics.SUBMITTED], 3):
            ledger.add(*each.by(1))
        if number % 2:
            transaction.set_rollback(True)
    ledger.fold()
"""
TOLD = """
from processing.counters import ledger
ledger.fold()
found = ledger.totals()
print(*sorted((each.metric, amount) for each, amount in found.amounts.items()), found.unfolded)
"""
WAITS_FOR_NOBODY = """
import threading
from django.db import connection, transaction
from processing import metrics
from processing.counters import ledger
def count():
    ledger.add(*metrics.COMPLETED.by(1))
    connection.close()
with transaction.atomic():
    ledger.add(*metrics.COMPLETED.by(1))
    other = threading.Thread(target=count)
    other.start()
    other.join()
    print(ledger.fold(), ledger.totals().unfolded)
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, postgres: Server) -> dict[str, str]:
    url = postgres.create_database("counters")
    found = environment_for(tmp_path_factory.mktemp("counters"), 3000, DATABASE_URL=url, OPEN_WEBUI_LOG_LEVEL="ERROR")
    done = subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=found)
    assert done.returncode == 0
    return found


def shell(environment: dict[str, str], script: str) -> subprocess.Popen[str]:
    command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", script]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str]) -> str:
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return out.strip()


def test_it_works(environment: dict[str, str]) -> None:
    for process in [shell(environment, COUNT) for _ in range(PROCESSES)]:
        said(process)
    expected = PROCESSES * EACH // 2
    names = ("cancelled_tasks_total", "completed_tasks_total", "submitted_tasks_total")
    assert said(shell(environment, TOLD)) == " ".join([*(str((name, expected)) for name in names), "0"])


def test_who_counts_waits_for_nobody_and_what_is_not_committed_is_not_told(environment: dict[str, str]) -> None:
    """Of two, the second is written and added up while the first one's transaction is open."""
    assert said(shell(environment, WAITS_FOR_NOBODY)) == "2 0"
