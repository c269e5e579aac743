"""A worker gives memory back after each document, if it is told to, however the document's task has ended."""

from __future__ import annotations

import pytest

from processing.queue import worker
from processing.runtime import configuration, heap
from tests.queue.conftest import Ask

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def given_back(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    times: list[bool] = []
    monkeypatch.setattr(heap, "give_back", lambda: times.append(True))
    return times


def test_it_works(ask: Ask, given_back: list[bool]) -> None:
    ask()
    ask(b"%PDF-1.7\nbroken")
    worker.work()
    worker.work()
    assert len(given_back) == 2


def test_an_administrator_may_keep_the_memory(ask: Ask, given_back: list[bool]) -> None:
    configuration.change({"memory_management": {"cleanup_after_processing": False}}, author=None)
    ask()
    worker.work()
    assert given_back == []


def test_who_finds_no_work_gives_nothing_back(given_back: list[bool]) -> None:
    worker.work()
    assert given_back == []
