"""A watch interrupts its work, whatever the work is at, and nothing but its work."""

from __future__ import annotations

import signal
import socket
import sys
import threading
import time
from types import FrameType
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError, connection

from processing.queue import watch
from processing.queue.watch import Interrupted, Watch
from processing.tasks import lifecycle
from processing.tasks.lifecycle import Claim
from tests.queue.conftest import Ask

pytestmark = pytest.mark.django_db(transaction=True)

FAR = 3600.0


@pytest.fixture
def claim(ask: Ask) -> Claim:
    ask()
    claim = lifecycle.claim("here", 1, 1)
    assert claim is not None
    return claim


def wait_for_ever() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.recv(1)


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "watch"]


def test_it_works(claim: Claim) -> None:
    guard = Watch(claim, time.monotonic() + FAR)
    assert guard.over(lambda: "done") == "done"
    assert (guard.reason, threads()) == (None, [])


def test_work_past_its_deadline_is_interrupted(claim: Claim) -> None:
    guard = Watch(claim, time.monotonic() + 0.05)
    with pytest.raises(Interrupted):
        guard.over(wait_for_ever)
    assert (guard.reason, threads()) == ("deadline", [])


def test_a_deadline_that_has_passed_already_interrupts_at_once(claim: Claim) -> None:
    guard = Watch(claim, time.monotonic() - 1)
    with pytest.raises(Interrupted):
        guard.over(wait_for_ever)
    assert (guard.reason, threads()) == ("deadline", [])


def test_an_error_of_the_work_ends_the_watch(claim: Claim) -> None:
    with pytest.raises(ZeroDivisionError):
        Watch(claim, time.monotonic() + FAR).over(lambda: 1 / 0)
    assert threads() == []


def test_a_signal_that_comes_as_the_work_ends_does_not_reach_what_follows(
    claim: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The narrowest moment: the handler runs when the watch has just begun to end."""
    guard = Watch(claim, time.monotonic() + FAR)
    sent: list[str] = []

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        if event == "call" and frame.f_code is Watch._end.__code__ and not sent:
            sent.append("once")
            signal.raise_signal(signal.SIGUSR1)
        return None

    former = sys.gettrace()
    sys.settrace(trace)
    try:
        with pytest.raises(Interrupted):
            guard.over(lambda: None)
    finally:
        sys.settrace(former)
    assert (sent, threads()) == (["once"], [])
    signal.raise_signal(signal.SIGUSR1)  # Nobody is interrupted any more.


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_database_that_does_not_answer_does_not_end_the_watch(
    claim: Claim, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    asked: list[bool] = []

    def still_held(_claim: Claim) -> bool:
        asked.append(True)
        if len(asked) < 3:
            raise error
        return False

    monkeypatch.setattr(watch, "_LOOK", 0.01)
    monkeypatch.setattr(lifecycle, "still_held", still_held)
    guard = Watch(claim, time.monotonic() + FAR)
    with pytest.raises(Interrupted):
        guard.over(wait_for_ever)
    assert (guard.reason, len(asked)) == ("lost", 3)


def test_an_interruption_that_is_swallowed_comes_again(claim: Claim, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_ASK_AGAIN", 0.05)

    def stubborn() -> None:
        try:
            wait_for_ever()
        except Interrupted:
            wait_for_ever()

    with pytest.raises(Interrupted):
        Watch(claim, time.monotonic() + 0.05).over(stubborn)


def test_the_lease_is_renewed_while_the_work_lasts(claim: Claim, monkeypatch: pytest.MonkeyPatch) -> None:
    renewed = threading.Event()

    def heartbeat(_claim: Claim) -> bool:
        renewed.set()
        return True

    monkeypatch.setattr(watch, "_LOOK", 0.01)
    monkeypatch.setattr(watch, "_RENEW", 0.02)
    monkeypatch.setattr(lifecycle, "heartbeat", heartbeat)
    assert Watch(claim, time.monotonic() + FAR).over(lambda: renewed.wait(60))


def test_a_renewal_that_failed_is_tried_again_at_the_next_look(claim: Claim, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []
    enough = threading.Event()

    def still_held(_claim: Claim) -> bool:
        looks.append("read")
        return True

    def heartbeat(_claim: Claim) -> bool:
        looks.append("renewal")
        if looks.count("renewal") == 1:
            raise OperationalError("database is locked")
        enough.set()
        return True

    monkeypatch.setattr(watch, "_LOOK", 0.01)
    monkeypatch.setattr(watch, "_RENEW", 0.5)
    monkeypatch.setattr(lifecycle, "still_held", still_held)
    monkeypatch.setattr(lifecycle, "heartbeat", heartbeat)
    assert Watch(claim, time.monotonic() + FAR).over(lambda: enough.wait(60))
    first = looks.index("renewal")
    assert looks[first : first + 2] == ["renewal", "renewal"]


def test_a_renewal_does_not_wait_as_long_for_a_lock_as_others_may(
    claim: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also with a connection that was made anew after an error."""
    if connection.vendor != "sqlite":
        pytest.skip("the settings of the connection bound this on PostgreSQL")
    waits: list[int] = []
    enough = threading.Event()

    def still_held(_claim: Claim) -> bool:
        with connection.cursor() as cursor:
            waits.append(cursor.execute("PRAGMA busy_timeout").fetchone()[0])
        if len(waits) == 2:
            enough.set()
            return True
        raise OperationalError("database is locked")

    monkeypatch.setattr(watch, "_LOOK", 0.01)
    monkeypatch.setattr(lifecycle, "still_held", still_held)
    assert Watch(claim, time.monotonic() + FAR).over(lambda: enough.wait(60))
    assert waits[:2] == [2000, 2000]
