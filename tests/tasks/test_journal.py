"""What is told of a task is kept in order, once, and not longer than anybody can want it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelsregistry.generation import Listener
from processing.pipeline.telling import Telling
from processing.tasks import lifecycle
from processing.tasks.journal import keeping, scribe
from processing.tasks.journal.contract import MOST, Entry, JournalUnavailableError, Store, number, token_of
from processing.tasks.journal.sqlite import SqliteJournal
from processing.tasks.models import Status, Task
from tests.conftest import Tenant
from tests.tasks.journal_contract import JournalContract


class TestSqlite(JournalContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[SqliteJournal]:
        yield SqliteJournal(lambda: tmp_path / "events.sqlite3")

    def test_what_is_erased_is_in_no_file(self, store: SqliteJournal, tmp_path: Path) -> None:
        store.append([Entry(1, 1, "delta", '{"text": "canary-5527"}')])
        store.erase([1])
        assert not [each.name for each in tmp_path.iterdir() if b"canary-5527" in each.read_bytes()]

    def test_a_directory_that_is_gone_is_no_crash(self, tmp_path: Path) -> None:
        with pytest.raises(JournalUnavailableError):
            SqliteJournal(lambda: tmp_path / "gone" / "events.sqlite3").append([Entry(1, 1, "delta", "{}")])


@pytest.mark.django_db
class TestOfThisDatabase(JournalContract):
    @pytest.fixture
    def store(self) -> Store:
        store = keeping.store()
        store.delete(store.idle(-60.0, 1_000_000))
        return store


def test_numbers_rise_through_all_attempts() -> None:
    assert number(1, 0) < number(1, 5) < number(1, MOST) < number(2, 0)
    assert number(1, MOST + 7) == number(1, MOST)
    assert [token_of(number(token, 9)) for token in (0, 1, 77)] == [0, 1, 77]


class Kept:
    """A journal in memory, out of order while `is_broken`."""

    def __init__(self) -> None:
        self.batches: list[list[Entry]] = []
        self.is_broken = False
        self.tried = threading.Event()

    def append(self, entries: list[Entry]) -> None:
        self.tried.set()
        if self.is_broken:
            raise JournalUnavailableError("away")
        self.batches.append(list(entries))

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(entry.name, entry.data) for batch in self.batches for entry in batch]


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Kept:
    kept = Kept()
    monkeypatch.setattr(keeping, "store", lambda: kept)
    return kept


def claim(token: int = 1) -> lifecycle.Claim:
    return lifecycle.Claim(Task(seq=7, attempts=token), token)


def test_what_is_told_of_a_short_task_is_one_write(kept: Kept) -> None:
    with Telling(claim()) as telling:
        telling.progress(10.0, "asking local")
        for piece in ("Forty", "-", "two."):
            telling.listener.on_text(piece)
    assert len(kept.batches) == 1
    assert [name for name, _ in kept.told] == ["status", "progress", "delta"]
    assert kept.told[-1][1] == '{"text": "Forty-two."}'
    assert [entry.number for entry in kept.batches[0]] == [number(1, at) for at in range(3)]


def test_what_a_model_said_is_written_while_it_is_silent(kept: Kept) -> None:
    telling = Telling(claim())
    telling.text("Forty")
    assert kept.tried.wait(30)


def test_a_new_beginning_is_told_only_where_something_was_said(kept: Kept) -> None:
    with Telling(claim()) as telling:
        heard: Listener = telling.listener
        heard.on_restart()
        heard.on_text("Forty")
        heard.on_restart()
        heard.on_restart()
        heard.on_text("Fifty.")
    assert kept.told[1:] == [
        ("delta", '{"text": "Forty"}'),
        ("delta", '{"text": "Fifty.", "reset": true}'),
    ]


def test_a_later_attempt_begins_anew(kept: Kept) -> None:
    with Telling(claim(token=3)):
        pass
    assert kept.told[-1] == ("delta", '{"text": "", "reset": true}')


def test_what_could_not_be_written_leaves_no_gap(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scribe, "_LEFT_ALONE_FOR", 0.0)
    kept.is_broken = True
    with Telling(claim()) as telling:
        telling.text("Forty")
        assert kept.tried.wait(30)
        kept.is_broken = False
        telling.text("-two.")
    assert kept.told[-1] == ("delta", '{"text": "Forty-two.", "reset": true}')


def test_a_broken_journal_fails_no_task(kept: Kept, caplog: pytest.LogCaptureFixture) -> None:
    kept.is_broken = True
    with Telling(claim()) as telling:
        telling.text("Forty-two.")
    assert "events could not be written" in caplog.text


def test_who_is_to_stop_at_once_waits_for_nothing(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stop(BaseException):
        pass

    monkeypatch.setattr(scribe.Scribe, "finish", lambda *_: pytest.fail("it waited"))
    with pytest.raises(Stop), Telling(claim()):
        raise Stop


@pytest.mark.django_db
def test_the_journal_keeps_what_runs_and_forgets_what_has_ended(alice: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"owner": alice.user, "filename": "a.txt", "file_size": 1, "file_type": "text/plain"}
    running = Task.objects.create(status=Status.PROCESSING, **given)
    ended = Task.objects.create(status=Status.COMPLETED, **given)
    for task in (running, ended):
        keeping.store().append([Entry(task.seq, 1, "delta", "{}")])
    assert keeping.sweep() == 0
    keeping.sweep_soon()
    monkeypatch.setattr(keeping, "KEPT", -60.0)
    assert keeping.sweep() == 1
    assert {entry.seq for entry in keeping.store().read({running.seq: 0, ended.seq: 0})} == {running.seq}
