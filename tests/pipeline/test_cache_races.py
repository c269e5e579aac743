"""Many want the same at once: one works, the others wait, and none waits for the dead."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from processing.pipeline import cache
from processing.pipeline.cache import Form, Found, Key, Terms
from processing.pipeline.models import CachedResult
from processing.tasks import lifecycle
from processing.tasks.lifecycle import Claim
from processing.tasks.models import Status, Task
from tests.conftest import Tenant
from tests.queue.conftest import Ask, ask

__all__ = ["ask"]  # the fixture
pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE = 60.0
FORM: Form[str] = Form(lambda value: None if value == "unfit" else value.encode(), bytes.decode)


class Crowd:
    """Tasks that want the same, each in a thread of its own; `waiting` counts those that had to wait."""

    def __init__(self, ask: Ask, owner: int, threads: ThreadPoolExecutor) -> None:
        self.key = Key(CachedResult.Kind.ANSWER, owner, "d" * 64, "5" * 64)
        self.waiting = threading.Semaphore(0)
        self._ask = ask
        self._threads = threads

    def claim(self) -> Claim:
        self._ask()
        claim = lifecycle.claim("host", 1, 1000)
        assert claim is not None
        # Nobody renews it here, however slow the machine is.
        Task.objects.filter(seq=claim.task.seq).update(lease_expires_at=timezone.now() + timedelta(hours=1))
        return claim

    def wants(
        self, claim: Claim, compute: Callable[[], str], *, renew: bool = False, patience: float = PATIENCE
    ) -> Future[Found[str]]:
        terms = Terms(claim, timedelta(hours=1), time.monotonic() + patience, renew, self.waiting.release)

        def run() -> Found[str]:
            try:
                return cache.through(self.key, FORM, terms, compute)
            finally:
                connection.close()

        return self._threads.submit(run)

    def computing(self, claim: Claim, value: str = "made") -> tuple[Future[Found[str]], threading.Event]:
        """One who is at it, until the event is set."""
        begun, end = threading.Event(), threading.Event()

        def compute() -> str:
            begun.set()
            assert end.wait(PATIENCE)
            if value == "fail":
                raise RuntimeError(value)
            return value

        future = self.wants(claim, compute)
        assert begun.wait(PATIENCE)
        return future, end


@pytest.fixture
def crowd(ask: Ask, alice: Tenant) -> Iterator[Crowd]:
    with ThreadPoolExecutor(20) as threads:
        yield Crowd(ask, alice.user.pk, threads)


def never() -> str:
    raise AssertionError("computed again")


def test_it_works(crowd: Crowd) -> None:
    assert crowd.wants(crowd.claim(), lambda: "made").result(PATIENCE) == Found("made", was_kept=False)
    assert crowd.wants(crowd.claim(), never).result(PATIENCE) == Found("made", was_kept=True)


def test_of_twenty_at_once_one_works(crowd: Crowd) -> None:
    claims = [crowd.claim() for _ in range(20)]
    worked: list[Claim] = []

    def wants(claim: Claim) -> Future[Found[str]]:
        def compute() -> str:
            worked.append(claim)
            for _ in range(19):  # Nobody is done before all others have found it taken.
                assert crowd.waiting.acquire(timeout=PATIENCE)
            return "made"

        return crowd.wants(claim, compute)

    found = [future.result(PATIENCE) for future in [wants(claim) for claim in claims]]
    assert {each.value for each in found} == {"made"}
    assert sum(not each.was_kept for each in found) == len(worked) == 1


def test_another_owner_does_not_wait(crowd: Crowd, mallory: Tenant) -> None:
    first, end = crowd.computing(crowd.claim())
    crowd.key = Key(crowd.key.kind, mallory.user.pk, crowd.key.digest, crowd.key.document_sha256)
    assert crowd.wants(crowd.claim(), lambda: "theirs").result(PATIENCE) == Found("theirs", was_kept=False)
    end.set()
    assert first.result(PATIENCE).value == "made"


@pytest.mark.parametrize(
    "end_of_holder",
    [
        lambda claim: Task.objects.filter(seq=claim.task.seq).update(lease_expires_at="2020-01-01T00:00:00Z"),
        lambda claim: lifecycle.release(claim),
        lambda claim: lifecycle.cancel(claim.task.owner_id, claim.id),
        lambda claim: Task.objects.filter(seq=claim.task.seq).update(status=Status.FAILED),
        lambda claim: Task.objects.filter(seq=claim.task.seq).delete(),
    ],
    ids=["silent", "released", "cancelled", "failed", "deleted"],
)
def test_one_of_those_who_wait_takes_over_from_the_dead(crowd: Crowd, end_of_holder: Callable[[Claim], Any]) -> None:
    claim = crowd.claim()
    late, end = crowd.computing(claim, "too late")
    worked = []

    def compute() -> str:
        worked.append(1)
        return "by the heir"

    heirs = [crowd.wants(crowd.claim(), compute) for _ in range(3)]
    for _ in heirs:
        assert crowd.waiting.acquire(timeout=PATIENCE)
    end_of_holder(claim)
    assert {heir.result(PATIENCE).value for heir in heirs} == {"by the heir"}
    assert len(worked) == 1
    end.set()
    assert late.result(PATIENCE).value == "too late"
    assert crowd.wants(crowd.claim(), never).result(PATIENCE).value == "by the heir", "a late writer changes nothing"


def test_the_next_attempt_does_not_wait_for_the_one_that_died(crowd: Crowd) -> None:
    claim = crowd.claim()
    late, end = crowd.computing(claim, "too late")
    assert lifecycle.release(claim)
    again = lifecycle.claim("host", 1, 1000)
    assert again is not None
    assert again.task.seq == claim.task.seq
    assert crowd.wants(again, lambda: "again").result(PATIENCE) == Found("again", was_kept=False)
    end.set()
    late.result(PATIENCE)


@pytest.mark.parametrize("outcome", ["fail", "unfit"])
def test_those_who_waited_in_vain_work_each_by_itself(crowd: Crowd, outcome: str) -> None:
    """Not one after the other: they would all be late."""
    holder, end = crowd.computing(crowd.claim(), outcome)
    together = threading.Barrier(3)

    def compute() -> str:
        together.wait(PATIENCE)
        return "own"

    others = [crowd.wants(crowd.claim(), compute) for _ in range(3)]
    for _ in others:
        assert crowd.waiting.acquire(timeout=PATIENCE)
    end.set()
    assert [other.result(PATIENCE).value for other in others] == ["own"] * 3
    assert (holder.exception(PATIENCE) is not None) == (outcome == "fail")


def test_nobody_waits_past_the_deadline(crowd: Crowd) -> None:
    holder, end = crowd.computing(crowd.claim())
    hasty = crowd.wants(crowd.claim(), lambda: "own", patience=0.3)
    assert hasty.result(PATIENCE) == Found("own", was_kept=False)
    end.set()
    assert holder.result(PATIENCE).value == "made"
    assert crowd.wants(crowd.claim(), never).result(PATIENCE).value == "made"


def test_who_wants_it_anew_does_not_wait(crowd: Crowd) -> None:
    holder, end = crowd.computing(crowd.claim(), "older")
    anew = crowd.wants(crowd.claim(), lambda: "newer", renew=True)
    assert anew.result(PATIENCE) == Found("newer", was_kept=False)
    end.set()
    assert holder.result(PATIENCE).value == "older"
    assert crowd.wants(crowd.claim(), never).result(PATIENCE).value == "newer"


def test_what_is_there_stays_when_making_it_anew_fails(crowd: Crowd) -> None:
    crowd.wants(crowd.claim(), lambda: "made").result(PATIENCE)

    def fail() -> str:
        raise RuntimeError

    assert crowd.wants(crowd.claim(), fail, renew=True).exception(PATIENCE) is not None
    assert crowd.wants(crowd.claim(), never).result(PATIENCE).value == "made"


def test_what_is_forgotten_meanwhile_is_made_anew_by_those_who_wait(crowd: Crowd) -> None:
    holder, end = crowd.computing(crowd.claim(), "forgotten")
    heir = crowd.wants(crowd.claim(), lambda: "anew")
    assert crowd.waiting.acquire(timeout=PATIENCE)
    CachedResult.objects.all().delete()
    assert heir.result(PATIENCE).value == "anew"
    end.set()
    assert holder.result(PATIENCE).value == "forgotten"
    assert crowd.wants(crowd.claim(), never).result(PATIENCE).value == "anew"
