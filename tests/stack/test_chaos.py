"""Processes of every kind are killed at random while the service is at work: no task is lost, none ends twice."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.stack import chaos, chaos_kills

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

SMALL = chaos.Plan(
    tasks=40,
    kills=[
        chaos_kills.CALLING_WORKER,
        chaos_kills.WEB_CHILD,
        chaos_kills.SENTINEL,
        chaos_kills.PUSHER,
        chaos_kills.TREE,
    ],
    concurrency=4,
    slowest=2.0,
    second_attempts=2,
    waiting=12,
)


def test_it_works(tmp_path: Path) -> None:
    """`python -m tests.stack.chaos` does the same with more of everything."""
    report = chaos.run(SMALL, tmp_path)
    assert report.audit.wrongs == [], report.table()
    assert report.audit.completed + report.audit.exhausted == report.audit.tasks >= SMALL.tasks
    assert len(report.kills) == len(SMALL.kills)


def test_every_kind_has_its_turn() -> None:
    assert set(chaos.schedule(20, random.Random(1))) == set(chaos_kills.KINDS)
    assert chaos.schedule(5, random.Random(1)) == chaos.schedule(5, random.Random(1))
