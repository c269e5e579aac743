"""What is sent through a pipe is read once and whole, and nobody who is killed stops the others."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator

import pytest

from processing.queue.pipes import STOP, Flag, Number, Pipe


@contextlib.contextmanager
def forked(work: Callable[[], None]) -> Iterator[int]:
    """A process that does the work; it is killed with the block."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_it_works() -> None:
    pipe = Pipe()
    assert pipe.put({"id": 1})
    assert pipe.put(STOP)
    assert (pipe.get(), pipe.get()) == ({"id": 1}, STOP)


def test_a_reader_that_is_killed_while_it_waits_leaves_the_pipe_to_others() -> None:
    pipe, ready = Pipe(), Flag()

    def read() -> None:
        ready.set()
        pipe.get()

    with forked(read):
        assert ready.wait(30)
    pipe.put("next")
    assert pipe.get() == "next"


def test_what_finds_no_reader_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processing.queue.pipes._TURN", 0.01)
    pipe = Pipe()
    sent = 0
    while pipe.put(sent):
        sent += 1
    assert 0 < sent < 100
    assert pipe.get() == 0


def test_after_the_end_every_reader_stops_and_what_was_on_its_way_is_gone() -> None:
    pipe = Pipe()
    pipe.put("late")
    pipe.end()
    assert [pipe.get(), pipe.get()] == [STOP, STOP]
    assert not pipe.put("too late")


def test_a_flag_set_by_one_process_is_seen_by_another() -> None:
    flag = Flag()
    assert not flag.is_set()
    with forked(flag.set):
        assert flag.wait(30)
    assert flag.is_set()


def test_a_number_is_shared() -> None:
    number, done = Number(1), Flag()

    def change() -> None:
        with number.get_lock():
            number.value += 4
        done.set()

    with forked(change):
        assert done.wait(30)
    assert number.value == 5


def test_what_is_repeated_gives_way_to_what_waits() -> None:
    pipe = Pipe()
    pipe.repeat("again")
    assert pipe.get() == "again"
    pipe.repeat("again")
    pipe.put("next")
    pipe.put("last")
    assert (pipe.get(), pipe.get()) == ("next", "last")
