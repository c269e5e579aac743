"""So many at once, the others in the order in which they came, and nobody who is gone holds anything up."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from processing.documents.recognition_slots import RECOGNISING, WAITING, RecognitionSlots, Slot

PATIENCE = 60.0


def soon() -> float:
    return time.monotonic() + PATIENCE


def never(_seconds: float) -> bool:
    return False


def patiently(seconds: float) -> bool:
    time.sleep(seconds)
    return True


def taken(slots: RecognitionSlots) -> Slot:
    slot = slots.take(soon(), never)
    assert slot is not None
    return slot


class Waiter:
    """One who waits in a thread of its own; made when it stands in line."""

    def __init__(self, directory: Path, done: list[Waiter]) -> None:
        self.words: list[str] = []
        self.slot: Slot | None = None
        self._in_line = threading.Event()
        self._slots = RecognitionSlots(directory, 1, self._hear)
        self._thread = threading.Thread(target=self._wait, args=(done,))
        self._thread.start()
        assert self._in_line.wait(PATIENCE)

    def _hear(self, words: str) -> None:
        self.words.append(words)
        self._in_line.set()

    def _wait(self, done: list[Waiter]) -> None:
        self.slot = self._slots.take(soon(), patiently)
        done.append(self)

    def join(self) -> Slot:
        self._thread.join(PATIENCE)
        assert self.slot is not None
        return self.slot


def test_it_works(tmp_path: Path) -> None:
    words: list[str] = []
    slots = RecognitionSlots(tmp_path / "made" / "here", 2, words.append)
    first, second = taken(slots), taken(slots)
    assert words == []
    assert slots.take(soon(), never) is None
    first.close()
    third = taken(slots)
    assert words == [WAITING]
    for slot in (second, third):
        slot.close()


def test_turns_are_taken_in_the_order_of_coming(tmp_path: Path) -> None:
    slot = taken(RecognitionSlots(tmp_path, 1))
    done: list[Waiter] = []
    waiters = [Waiter(tmp_path, done) for _ in range(5)]
    slot.close()
    for waiter in waiters:
        waiter.join().close()
    assert done == waiters
    assert all(waiter.words == [WAITING, RECOGNISING] for waiter in waiters)


def test_one_who_comes_later_does_not_pass_one_who_waits(tmp_path: Path) -> None:
    slot = taken(RecognitionSlots(tmp_path, 1))
    looked, go_on = threading.Event(), threading.Event()

    def slowly(_seconds: float) -> bool:
        looked.set()
        return go_on.wait(PATIENCE)

    found: list[Slot | None] = []
    waiter = threading.Thread(target=lambda: found.append(RecognitionSlots(tmp_path, 1).take(soon(), slowly)))
    waiter.start()
    assert looked.wait(PATIENCE)
    slot.close()
    assert RecognitionSlots(tmp_path, 1).take(soon(), never) is None
    go_on.set()
    waiter.join(PATIENCE)
    assert found[0] is not None
    found[0].close()


def test_a_wait_ends_with_its_deadline(tmp_path: Path) -> None:
    slots = RecognitionSlots(tmp_path, 1)
    slot = taken(slots)
    with pytest.raises(TimeoutError):
        slots.take(time.monotonic() + 0.1, patiently)
    slot.close()
    taken(slots).close()


def test_one_who_is_interrupted_leaves_the_line(tmp_path: Path) -> None:
    class CancelledError(Exception):
        pass

    def interrupted(_seconds: float) -> bool:
        raise CancelledError

    slots = RecognitionSlots(tmp_path, 1)
    slot = taken(slots)
    with pytest.raises(CancelledError):
        slots.take(soon(), interrupted)
    slot.close()
    taken(slots).close()
    assert list(tmp_path.glob("*.place")) == []


def test_a_slot_whose_announcement_fails_is_free(tmp_path: Path) -> None:
    def refuse(words: str) -> None:
        if words == RECOGNISING:
            raise OSError("nobody listens")

    slot = taken(RecognitionSlots(tmp_path, 1))

    def freed(_seconds: float) -> bool:
        slot.close()
        return True

    with pytest.raises(OSError, match="nobody listens"):
        RecognitionSlots(tmp_path, 1, refuse).take(soon(), freed)
    taken(RecognitionSlots(tmp_path, 1)).close()


def killed_while(directory: Path, code: str) -> None:
    """Run the code in a process of its own until it prints, and kill it."""
    start = f"""
import time
from pathlib import Path
from processing.documents.recognition_slots import RecognitionSlots
def say(words): print(words, flush=True)
slots = RecognitionSlots(Path({str(directory)!r}), 1, say)
deadline = time.monotonic() + 60
"""
    with subprocess.Popen([sys.executable, "-c", start + code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.kill()


def test_who_is_killed_while_recognising_frees_the_slot(tmp_path: Path) -> None:
    killed_while(tmp_path, "slot = slots.take(deadline, bool); say('taken'); time.sleep(60)")
    taken(RecognitionSlots(tmp_path, 1)).close()


def test_who_is_killed_while_waiting_holds_nobody_up(tmp_path: Path) -> None:
    slots = RecognitionSlots(tmp_path, 1)
    slot = taken(slots)
    killed_while(tmp_path, "slots.take(deadline, lambda _: time.sleep(60))")
    assert len(list(tmp_path.glob("*.place"))) == 1
    slot.close()
    taken(slots).close()
    assert list(tmp_path.glob("*.place")) == []
