"""What every journal does, wherever it keeps its entries."""

from __future__ import annotations

from processing.tasks.journal.contract import Entry, Store


def entry(seq: int, number: int, data: str = "{}") -> Entry:
    return Entry(seq, number, "delta", data)


class JournalContract:
    def test_it_works(self, store: Store) -> None:
        store.append([entry(1, 10), entry(1, 11)])
        store.append([entry(2, 10)])
        store.append([entry(1, 12)])
        assert store.read({1: -1}) == [entry(1, 10), entry(1, 11), entry(1, 12)]
        assert store.read({1: 11, 2: 5, 3: 0}) == [entry(1, 12), entry(2, 10)]
        assert store.read({}) == []

    def test_a_number_is_written_once(self, store: Store) -> None:
        store.append([entry(1, 10, "1")])
        store.append([entry(1, 10, "2"), entry(1, 11, "3")])
        assert store.read({1: 0}) == [entry(1, 10, "1"), entry(1, 11, "3")]

    def test_nothing_more_is_taken_of_an_erased_task(self, store: Store) -> None:
        store.append([entry(1, 10), entry(1, 11)])
        store.append([entry(2, 10)])
        store.erase([1])
        store.append([entry(1, 12)])
        assert store.read({1: -1, 2: -1}) == [entry(2, 10)]

    def test_what_is_idle_is_found_and_deleted(self, store: Store) -> None:
        store.append([entry(1, 10)])
        store.append([entry(2, 10)])
        store.erase([3])
        assert store.idle(60.0, 10) == []
        assert sorted(store.idle(-60.0, 10)) == [1, 2, 3]
        assert len(store.idle(-60.0, 2)) == 2
        store.delete([1, 3])
        assert store.read({1: 0, 2: 0}) == [entry(2, 10)]
        assert store.idle(-60.0, 10) == [2]
