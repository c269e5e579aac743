"""How soon a cancelled task lets go of its worker, and how hostile documents end: `python -m tests.stack.faults`.

TEST_DATABASE_URL chooses another database than SQLite. Prints one table in Markdown; ends with 1 where a cancel took
longer than the contract allows.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.modelsregistry import stand_in
from tests.stack import cancels, hostile
from tests.stack.cancels import Stage
from tests.stack.service import running_service
from tests.stack.test_work import Caller

PROMISED = 2.0  # seconds from the cancel of a running task until its worker is free


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--times", type=int, default=20, help="cancels in each phase")
    times = parser.parse_args().times
    with tempfile.TemporaryDirectory() as directory:
        slowest = cancel_in_each_phase(Path(directory) / "cancels", times)
        attack(Path(directory) / "hostile")
    return 0 if slowest <= PROMISED else 1


def cancel_in_each_phase(data_dir: Path, times: int) -> float:
    """Print the time until the worker was free, phase by phase; returns the longest in seconds."""
    say("| Cancelled while | times | p50 ms | max ms |\n|---|---|---|---|")
    slowest = 0.0
    with stand_in.running("reader", "viewer") as upstream:
        variables = {**cancels.ONE_WORKER, "OPENAI_API_BASE_URL": upstream.url, **database()}
        with running_service(data_dir, **variables) as service:
            stage = Stage(service, Caller(service), upstream)
            phases: dict[str, Callable[[], float]] = {"queued": partial(cancels.cancelled_while_queued, stage)}
            for phase in cancels.PHASES:
                phases[phase.name] = partial(cancels.cancelled, stage, phase)
            for name, cancel in phases.items():
                took = [1000 * cancel() for _ in range(times)]
                say(f"| {name} | {times} | {statistics.median(took):.0f} | {max(took):.0f} |")
                slowest = max(slowest, max(took) / 1000)
    return slowest


def attack(data_dir: Path) -> None:
    """Print how each hostile document ended, and the good one that was submitted right after it."""
    say("\n| Document | task | code | after s | the next one | workers died |\n|---|---|---|---|---|---|")
    with hostile.besieged(data_dir, **database()) as besieged:
        for how in hostile.ENDS:
            began = time.monotonic()
            body = besieged.caller.ended(besieged.submit(how))
            took = time.monotonic() - began
            good = besieged.good_document()["status"]
            say(
                f"| {how} | {body['status']} | {body['error_code']} | {took:.2f} | {good} | {besieged.dead_workers()} |"
            )
        bystander = besieged.let_bystander_end()
        say(f"\nThe task beside them: {bystander['status']}, attempts: {bystander['attempts']}")


def database() -> dict[str, str]:
    url = os.environ.get("TEST_DATABASE_URL")
    return {"DATABASE_URL": url} if url else {}


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
