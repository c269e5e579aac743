"""What every store of counters promises; each store's own tests are of this class, too."""

from __future__ import annotations

from processing.access.rates.contract import Store, Window
from tests.rates.crowd import DAY, counted_in

MOMENT = DAY + 30.0  # half a minute past midnight


def window(subject: str = "calls/key:1", quota: int = 3, seconds: int = 60, cost: int = 1) -> Window:
    return Window("minute", subject, seconds, quota, cost)


class StoreContract:
    """A subclass has the fixture `store`, which is empty."""

    def test_it_works(self, store: Store) -> None:
        verdicts = [store.take([window()], MOMENT) for _ in range(4)]

        assert [verdict.admitted for verdict in verdicts] == [True, True, True, False]
        assert [verdict.counted[0].used for verdict in verdicts] == [1, 2, 3, 3]
        assert [verdict.counted[0].remaining for verdict in verdicts] == [2, 1, 0, 0]
        assert {verdict.counted[0].ends_at for verdict in verdicts} == {DAY + 60}
        assert verdicts[-1].violated == verdicts[-1].counted
        assert verdicts[-1].now == MOMENT

    def test_a_stranger_has_counters_of_his_own(self, store: Store) -> None:
        for _ in range(3):
            store.take([window()], MOMENT)
        assert store.take([window("calls/key:2")], MOMENT).admitted

    def test_the_next_span_begins_with_nothing(self, store: Store) -> None:
        for _ in range(3):
            store.take([window()], DAY + 59.999)
        assert not store.take([window()], DAY + 59.999).admitted
        assert store.take([window()], DAY + 60.0).counted[0].used == 1

    def test_what_one_window_refuses_no_other_counts(self, store: Store) -> None:
        wide, narrow = window("a", quota=10, seconds=3600), window("b", quota=2)
        for order in ([wide, narrow], [narrow, wide]):
            for _ in range(5):
                store.take(order, MOMENT)
        assert counted_in(store, [wide, narrow], MOMENT) == [2, 2]

    def test_a_refusal_tells_of_every_window_in_the_order_asked(self, store: Store) -> None:
        wide, narrow = window("z", quota=10, seconds=3600), window("a", quota=1)
        store.take([wide, narrow], MOMENT)
        refused = store.take([wide, narrow], MOMENT)
        assert [each.window for each in refused.counted] == [wide, narrow]
        assert [each.used for each in refused.counted] == [1, 1]
        assert [each.window for each in refused.violated] == [narrow]

    def test_several_units_are_taken_whole_or_not_at_all(self, store: Store) -> None:
        assert store.take([window(cost=2)], MOMENT).admitted
        assert not store.take([window(cost=2)], MOMENT).admitted
        assert store.take([window(cost=1)], MOMENT).admitted
        assert not store.take([window("other", cost=4)], MOMENT).admitted

    def test_a_quota_that_was_lowered_holds_at_once(self, store: Store) -> None:
        for _ in range(3):
            store.take([window()], MOMENT)
        lowered = store.take([window(quota=1)], MOMENT)
        assert (lowered.admitted, lowered.counted[0].remaining) == (False, 0)
        assert store.take([window(quota=4)], MOMENT).admitted

    def test_what_is_given_back_can_be_taken_again(self, store: Store) -> None:
        verdicts = [store.take([window()], MOMENT) for _ in range(3)]
        store.give_back(verdicts[0])
        assert store.take([window()], MOMENT).admitted
        assert not store.take([window()], MOMENT).admitted

    def test_giving_back_does_not_reach_into_the_next_span(self, store: Store) -> None:
        late = store.take([window()], DAY + 59.0)
        store.take([window()], DAY + 61.0)
        store.give_back(late)
        assert counted_in(store, [window()], DAY + 61.0) == [1]

    def test_a_clock_that_was_wrong_for_a_while_locks_nobody_out(self, store: Store) -> None:
        for _ in range(3):
            store.take([window()], MOMENT + 366 * 86_400)
        assert store.take([window()], MOMENT).admitted
