"""A run of the whole service in which processes of every kind are killed while it is at work, and an audit after it.

    python -m tests.stack.chaos --tasks 1000 --kills 20 --database sqlite

Exits with 1 if a task was lost, doubled or ended wrongly, if one waited too long to be begun anew, or if so few
needed a second attempt that nothing is proven.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.postgres.server import running_server
from tests.stack import chaos_audit, chaos_kills, chaos_upstream
from tests.stack.chaos_audit import Audit
from tests.stack.chaos_kills import Kill, Killer
from tests.stack.chaos_load import Submitter, jobs
from tests.stack.chaos_rows import Rows, Watcher, rows_of
from tests.stack.processes import until
from tests.stack.service import RunningService, running_service

RERUN_WITHIN = 30.0  # seconds from a kill until the task is begun anew
_STUCK = 120.0  # seconds without any task ending after which a run is given up
_AT_ONCE = 3  # model calls that must be under way when all workers are killed
_OF_ALL_WORKERS = (chaos_kills.SENTINEL, chaos_kills.CLUSTER, chaos_kills.TREE)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run consists of. `second_attempts` is how many tasks must have needed one."""

    tasks: int
    kills: list[str]
    seed: int = 1
    concurrency: int = 12
    slowest: float = 5.0
    second_attempts: int = 10
    waiting: int = 48


@dataclass
class Report:
    """What a run showed."""

    audit: Audit
    kills: list[Kill]
    watcher: Watcher
    submitter: Submitter
    seconds: float

    @property
    def slowest_rerun(self) -> float:
        return max((each.seconds or 0.0 for each in self.watcher.recoveries), default=0.0)

    def table(self) -> str:
        """The figures, one a line, then the kills with their slowest rerun, then what is wrong."""
        audit = self.audit
        figures = {
            "tasks accepted": audit.accepted,
            "tasks written whose caller got no reply": audit.unacknowledged,
            "submissions without a reply": self.submitter.unanswered,
            "submissions told to come back": self.submitter.refused,
            "completed": audit.completed,
            "failed: attempts_exhausted": audit.exhausted,
            "failed: their reader was killed each time": audit.killed_readers,
            "with a second attempt": audit.second_attempts,
            "most attempts of a task": audit.most_attempts,
            "questions to the upstream": audit.calls,
            "tasks cut off by kills and begun anew": len(self.watcher.recoveries),
            "kill to rerun, slowest (s)": round(self.slowest_rerun, 1),
            "seconds in all": round(self.seconds),
            "wrong": len(audit.wrongs),
        }
        lines = [f"{name:48} {value}" for name, value in figures.items()]
        for kind, times in Counter(kill.kind for kill in self.kills).items():
            own = [each.seconds or 0.0 for each in self.watcher.recoveries if each.kind == kind]
            lines.append(f"  killed: {kind:30} {times} times, {len(own)} reruns, slowest {max(own, default=0.0):.1f} s")
        return "\n".join([*lines, *(f"  WRONG: {each}" for each in audit.wrongs)])


def schedule(count: int, chance: random.Random) -> list[str]:
    """Every kind once, if there are as many, and then any, in any order."""
    kinds = chance.sample(chaos_kills.KINDS, k=min(count, len(chaos_kills.KINDS)))
    kinds += chance.choices(chaos_kills.KINDS, k=count - len(kinds))
    chance.shuffle(kinds)
    return kinds


def run(plan: Plan, directory: Path, database_url: str | None = None) -> Report:
    """Run the plan on a service of its own, on PostgreSQL if there is a URL."""
    with chaos_upstream.running() as upstream, contextlib.ExitStack() as ending:
        variables = {
            "OPENAI_API_BASE_URL": upstream.url,
            "OPENAI_API_KEY": "sk-upstream",
            "OPENAI_API_MODELS": "reader",
            "API_V2_MAX_CONCURRENT": plan.concurrency,
            **({"DATABASE_URL": database_url} if database_url else {}),
        }
        service = ending.enter_context(running_service(directory, **variables))
        ending.callback(_end, service)
        return _Run(plan, service, upstream, database_url).run()


class _Run:
    """One run, from the first submission to the audit."""

    def __init__(
        self, plan: Plan, service: RunningService, upstream: chaos_upstream.Upstream, database_url: str | None
    ) -> None:
        chance = random.Random(plan.seed)
        self._plan = plan
        self._service = service
        self._upstream = upstream
        self._rows: Rows = rows_of(service.data_dir, database_url)
        self._killer = Killer(service, self._rows, upstream.port, chance)
        self._watcher = Watcher(service.data_dir, database_url)
        work = jobs(plan.tasks, plan.slowest, chance)
        self._submitter = Submitter(service.url, service.key, work, self._has_room)
        self._kills: list[Kill] = []

    def run(self) -> Report:
        started = time.monotonic()
        try:
            with self._watcher.watching(), self._submitter.submitting():
                self._kill_and_wait()
        except BaseException:
            sys.stderr.write(self._service.log()[-8000:])
            raise
        audit = self._audit()
        self._rows.close()
        return Report(audit, self._kills, self._watcher, self._submitter, time.monotonic() - started)

    def _kill_and_wait(self) -> None:
        for number, kind in enumerate(self._plan.kills, 1):
            self._wait_until_ended(self._plan.tasks * number // (len(self._plan.kills) + 1))
            self._kill(kind)
        self._submitter_done()
        self._wait_until_ended(None)

    def _has_room(self) -> bool:
        return len(self._submitter.accepted) - len(self._watcher.ended) < self._plan.waiting

    def _kill(self, kind: str) -> None:
        if kind == chaos_kills.IDLE_WORKER:
            self._submitter.paused.set()
            self._wait_until_ended(None)
        elif kind in _OF_ALL_WORKERS and not self._submitter.done.is_set():
            self._upstream.answering.clear()
            until(self._many_are_asking)
        elif kind == chaos_kills.CALLING_WORKER:
            self._upstream.answering.clear()
        try:
            kill = self._killer.kill(kind)
        finally:
            self._upstream.answering.set()
        self._kills.append(kill)
        self._watcher.killed(kind, kill.at, kill.tasks)
        self._submitter.paused.clear()
        sys.stderr.write(f"{len(self._watcher.ended):5} ended; killed: {kind}, which was at {len(kill.tasks)} tasks\n")

    def _many_are_asking(self) -> bool:
        left = self._plan.tasks - len(self._watcher.ended)
        return self._killer.busy_workers() >= min(_AT_ONCE, self._plan.concurrency, left)

    def _submitter_done(self) -> None:
        while not self._submitter.done.wait(1.0):
            assert self._service.process.poll() is None
        if self._submitter.failure is not None:
            raise self._submitter.failure

    def _wait_until_ended(self, wanted: int | None) -> None:
        """Until so many tasks have ended, or (None) all that there are."""
        seen, since = -1, time.monotonic()
        while True:
            rows = self._rows.all()
            ended = sum(row.ended for row in rows)
            if self._submitter.failure is not None:
                raise self._submitter.failure
            if (ended == len(rows)) if wanted is None else (ended >= wanted):
                return
            seen, since = (ended, time.monotonic()) if ended != seen else (seen, since)
            assert time.monotonic() - since < _STUCK, "nothing ends"
            time.sleep(0.1)

    def _audit(self) -> Audit:
        rows = self._rows.all()
        by_id = {row.id: row for row in rows}
        accepted = self._submitter.accepted
        readers = sum(kill.kind in (chaos_kills.READER, chaos_kills.READING) for kill in self._kills)
        audit = chaos_audit.of_rows(rows, self._submitter.jobs, accepted, readers)
        chaos_audit.of_answers(audit, self._service.url, self._submitter.key, accepted, by_id)
        chaos_audit.of_calls(audit, rows, self._upstream.calls)
        chaos_audit.of_log(audit, self._service.log())
        audit.wrongs += self._watcher.changed
        late = [each for each in self._watcher.recoveries if (each.seconds or 0.0) > RERUN_WITHIN]
        audit.wrongs += [f"begun anew {each.seconds:.1f} s after the kill of a {each.kind}" for each in late]
        if audit.second_attempts < self._plan.second_attempts:
            audit.wrongs.append(f"only {audit.second_attempts} tasks needed a second attempt: that proves nothing")
        return audit


def _end(service: RunningService) -> None:
    if service.process.poll() is None:
        service.end()


def main() -> int:
    """Parse the command line, run, print; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.stack.chaos", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--concurrency", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    kills = schedule(given.kills, random.Random(given.seed))
    plan = Plan(given.tasks, kills, given.seed, given.concurrency)
    with contextlib.ExitStack() as ending:
        directory = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="apiv2-chaos-")))
        server = ending.enter_context(running_server()) if given.database == "postgresql" else None
        report = run(plan, directory, server.url() if server else None)
    sys.stdout.write(f"{given.database}, seed {given.seed}, {given.concurrency} at once\n{report.table()}\n")
    return 1 if report.audit.wrongs else 0


if __name__ == "__main__":
    raise SystemExit(main())
