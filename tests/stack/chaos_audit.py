"""What became of every task of a chaos run, from the rows, the API and the log; each wrong is a sentence."""

from __future__ import annotations

import re
import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import httpx

from tests.stack.chaos_load import Job
from tests.stack.chaos_rows import Row

_COMPLETED = re.compile(r"task completed\b.*?\btask=(\S+)")


@dataclass
class Audit:
    """The figures, and what is wrong."""

    tasks: int = 0
    accepted: int = 0
    unacknowledged: int = 0
    completed: int = 0
    exhausted: int = 0
    killed_readers: int = 0
    second_attempts: int = 0
    most_attempts: int = 0
    calls: int = 0
    wrongs: list[str] = field(default_factory=list)


def of_rows(rows: Iterable[Row], jobs: list[Job], accepted: dict[uuid.UUID, Job], readers_killed: int) -> Audit:
    """Every accepted task is there and has ended once, with a result exactly if it is completed."""
    audit = Audit(accepted=len(accepted))
    by_id = {row.id: row for row in rows}
    audit.tasks = len(by_id)
    audit.unacknowledged = len(by_id.keys() - accepted.keys())
    audit.wrongs += [f"lost: {each}" for each in accepted.keys() - by_id.keys()]
    if missing := {job.number for job in jobs} - {row.number for row in by_id.values()}:
        audit.wrongs.append(f"never submitted: {sorted(missing)}")
    for row in by_id.values():
        _count(audit, row)
    if audit.killed_readers > readers_killed:
        audit.wrongs.append(f"{audit.killed_readers} tasks failed for {readers_killed} killed readers")
    return audit


def _count(audit: Audit, row: Row) -> None:
    audit.completed += row.status == "completed"
    audit.exhausted += row.error_code == "attempts_exhausted"
    audit.killed_readers += row.error_code == "reader_killed"
    audit.second_attempts += row.attempts > 1
    audit.most_attempts = max(audit.most_attempts, row.attempts)
    if not row.ended:
        audit.wrongs.append(f"not ended: {row.id} is {row.status} after {row.attempts} attempts")
    if row.attempts > row.max_attempts:
        audit.wrongs.append(f"{row.id} was tried {row.attempts} times of {row.max_attempts}")
    if row.has_result != (row.status == "completed"):
        audit.wrongs.append(f"{row.id} is {row.status} and has {'a' if row.has_result else 'no'} result")
    if row.status == "failed" and row.error_code not in ("attempts_exhausted", "reader_killed"):
        audit.wrongs.append(f"{row.id} failed with {row.error_code}")


def of_answers(audit: Audit, url: str, key: str, accepted: dict[uuid.UUID, Job], rows: dict[uuid.UUID, Row]) -> None:
    """The API tells of every accepted task what its row says, and a completed one has its own answer."""
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False) as http:
        for task, job in accepted.items():
            reply = http.get(f"/api/v2/status/{task}")
            body = reply.json()
            if reply.status_code != 200 or task not in rows:
                audit.wrongs.append(f"{task}: the API answers {reply.status_code}")
            elif (body["status"], body["attempts"]) != (rows[task].status, rows[task].attempts):
                audit.wrongs.append(f"{task}: the API says {body['status']}, the row {rows[task].status}")
            elif (body["status"] == "completed") != bool(body.get("result")):
                audit.wrongs.append(f"{task}: {body['status']}, and the API shows {body.get('result')}")
            elif body["status"] == "completed" and job.answer not in body["result"]["content"]:
                audit.wrongs.append(f"{task}: the answer of another task: {body['result']['content']!r}")


def of_calls(audit: Audit, rows: Iterable[Row], calls: Counter[int]) -> None:
    """A task was worked on at most as often as it was claimed."""
    audit.calls = sum(calls.values())
    attempts: Counter[int] = Counter()
    for row in rows:
        attempts[row.number] += row.attempts
    audit.wrongs += [
        f"task {number}: asked {asked} times in {attempts[number]} attempts"
        for number, asked in calls.items()
        if asked > attempts[number]
    ]


def of_log(audit: Audit, log: str) -> None:
    """No task was completed twice."""
    completed = Counter(_COMPLETED.findall(log))
    audit.wrongs += [f"{task} was completed {times} times" for task, times in completed.items() if times > 1]
    if not completed and audit.completed:
        audit.wrongs.append("the log does not say that tasks were completed")
