"""A reader asks before it recognises, waits while the host has enough to bear, and holds its turn until it ends."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from processing.documents import registry
from processing.documents.contract import ReadOptions
from processing.documents.recognition_slots import RECOGNISING, WAITING, RecognitionSlots
from processing.documents.sandbox import Reading, Sandbox
from processing.errors import DeadlineExceeded, DocumentFailed, ServiceUnavailable
from tests.documents import mocks
from tests.documents.test_sandbox import soon, wait_for_end

Announce = Callable[[str], None]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox(extra_formats=["tests.documents.mocks"])
    yield sandbox
    sandbox.close()


@pytest.fixture
def recognising(sandbox: Sandbox, tmp_path: Path) -> Callable[..., contextlib.AbstractContextManager[Reading]]:
    """Begins a reading that is going to recognise text, on a host that bears one at a time."""

    def begin(
        announce: Announce = lambda _words: None, seconds: float = 60, how: bytes = b"recognise_and_hang"
    ) -> contextlib.AbstractContextManager[Reading]:
        slots = RecognitionSlots(tmp_path, 1, announce)
        return sandbox.reading(io.BytesIO(how), mocks.FORMAT, ReadOptions(), deadline=soon(seconds), recognition=slots)

    return begin


Begin = Callable[..., contextlib.AbstractContextManager[Reading]]


def test_it_works(recognising: Begin) -> None:
    words: list[str] = []
    with recognising(words.append) as reading:
        next(reading)
        assert next(reading).text == "recognised"
    assert words == [], "it did not have to wait"


def test_one_waits_until_the_other_has_ended(recognising: Begin) -> None:
    words: list[str] = []
    with recognising() as first:
        next(first)
        next(first)

        def hear(said: str) -> None:
            words.append(said)
            if said == WAITING:
                first.close()

        with recognising(hear) as second:
            next(second)
            assert next(second).text == "recognised"
    assert words == [WAITING, RECOGNISING]


def test_a_reader_that_was_killed_gives_up_its_turn_at_once(recognising: Begin) -> None:
    with pytest.raises(ServiceUnavailable, match="ended from outside"), recognising() as first:
        pid = int(next(first).text)
        next(first)
        os.kill(pid, signal.SIGKILL)
        next(first)
    with recognising() as second:
        next(second)
        assert next(second).text == "recognised"


def test_the_wait_ends_with_the_deadline_and_says_what_it_was(recognising: Begin) -> None:
    with recognising() as first:
        next(first)
        next(first)
        with recognising(seconds=2) as second:
            next(second)
            with pytest.raises(DeadlineExceeded) as caught:
                next(second)
    assert caught.value.code == "recognition_timeout"


def test_a_reader_that_dies_while_it_waits_is_noticed(recognising: Begin) -> None:
    with recognising() as first:
        next(first)
        next(first)
        pids: list[int] = []
        with recognising(lambda _words: os.kill(pids[0], signal.SIGKILL)) as second:
            pids.append(int(next(second).text))
            with pytest.raises(ServiceUnavailable, match="ended from outside"):
                next(second)


def test_another_thread_may_close_a_reading_that_waits(recognising: Begin) -> None:
    with recognising() as first:
        next(first)
        next(first)
        closers: list[threading.Timer] = []

        def hear(_words: str) -> None:
            closers.append(threading.Timer(0.1, second.close))
            closers[0].start()

        with recognising(hear) as second:
            pid = int(next(second).text)
            with pytest.raises(Exception):  # noqa: B017 - what it is does not matter to one who gave up
                next(second)
        closers[0].join()
    wait_for_end(pid)


def test_a_signal_handler_interrupts_the_wait(recognising: Begin, tmp_path: Path) -> None:
    class CancelledError(Exception):
        pass

    def cancel(*_: object) -> None:
        raise CancelledError

    def hear(_words: str) -> None:
        threading.Timer(0.1, signal.pthread_kill, (threading.main_thread().ident, signal.SIGUSR1)).start()

    before = signal.signal(signal.SIGUSR1, cancel)
    try:
        with recognising() as first:
            next(first)
            next(first)
            with pytest.raises(CancelledError), recognising(hear) as second:
                pid = int(next(second).text)
                next(second)
            wait_for_end(pid)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert list(tmp_path.glob("*.place")) == []


def test_who_recognises_nothing_waits_for_nobody(recognising: Begin, sandbox: Sandbox, tmp_path: Path) -> None:
    with recognising() as first:
        next(first)
        next(first)
        with sandbox.reading(
            io.BytesIO(b"hello"),
            registry.named("txt"),
            ReadOptions(),
            deadline=time.monotonic() + 60,
            recognition=RecognitionSlots(tmp_path, 1),
        ) as reading:
            assert [page.text for page in reading] == ["hello"]


def test_a_reader_that_asks_twice_is_not_believed(recognising: Begin) -> None:
    with pytest.raises(DocumentFailed) as caught, recognising(how=b"recognise_twice") as reading:
        next(reading)
    assert caught.value.code == "reader_crashed"


def test_a_reader_that_may_not_recognise_has_no_turn(sandbox: Sandbox) -> None:
    with (
        pytest.raises(DocumentFailed) as caught,
        sandbox.reading(
            io.BytesIO(b"recognise_twice"), mocks.FORMAT, ReadOptions(ocr=False), deadline=soon()
        ) as reading,
    ):
        next(reading)
    assert caught.value.code == "reader_crashed"
