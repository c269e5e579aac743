"""What is counted is counted once, with what it is counted for, whoever counts and adds up at the same time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import OperationalError, connection, transaction

from processing import metrics
from processing.counters import ledger, pending, series
from processing.counters.models import CounterChange, CounterTotal
from processing.counters.presence import Presence
from processing.counters.series import OTHER, Series

pytestmark = pytest.mark.django_db(transaction=True)

COMPLETED = Series("completed_tasks_total", "", ())
THREADS, EACH = 6, 40


def completed() -> int:
    return ledger.totals().amounts.get(COMPLETED, 0)


def test_it_works() -> None:
    ledger.add(*metrics.COMPLETED.by(2), *metrics.COST.by(0.00000015, "clever"))
    ledger.add(*metrics.COMPLETED.by(3), *metrics.WORKED.observed(0.3))
    before = ledger.totals()
    assert before.unfolded == 2
    assert ledger.fold() == 2
    after = ledger.totals()
    assert (after.amounts, after.unfolded) == (before.amounts, 0)
    assert after.amounts == {
        COMPLETED: 5,
        Series("cost_dollars_total", "", ("clever",)): 15,
        Series("processing_duration_seconds", "sum", ()): 300_000,
        Series("processing_duration_seconds", "2", ()): 1,
    }


def test_what_did_not_happen_is_not_counted() -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        ledger.add(*metrics.COMPLETED.by(1))
        raise RuntimeError
    assert completed() == 0


def test_an_addition_that_breaks_off_loses_and_doubles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.add(*metrics.COMPLETED.by(7))
    with monkeypatch.context() as patch:
        patch.setattr(CounterChange.objects, "filter", lambda **_: pytest.fail("killed here"))
        with pytest.raises(pytest.fail.Exception):
            ledger.fold()
    assert completed() == 7
    assert not CounterTotal.objects.exists()


def test_many_count_and_add_up_at_once_and_no_total_ever_falls() -> None:
    done, seen = threading.Event(), []

    def count(_number: int) -> None:
        for _ in range(EACH):
            with transaction.atomic():
                ledger.add(*metrics.COMPLETED.by(1))
        connection.close()

    def add_up() -> None:
        while not done.is_set():
            ledger.fold()
        connection.close()

    def look() -> None:
        while not done.is_set():
            seen.append(completed())
        connection.close()

    with ThreadPoolExecutor(THREADS + 3) as pool:
        others = [pool.submit(add_up), pool.submit(add_up), pool.submit(look)]
        try:
            list(pool.map(count, range(THREADS)))
        finally:
            done.set()
        for each in others:
            each.result()
    assert seen == sorted(seen)
    assert completed() == THREADS * EACH
    ledger.fold()
    assert (completed(), CounterChange.objects.count()) == (THREADS * EACH, 0)


def test_a_label_takes_so_many_values_and_the_rest_is_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it is added up and afterwards; who has a series keeps it."""
    monkeypatch.setattr(series, "MOST", 3)
    for model in ("a", "b"):
        ledger.add(*metrics.TOKENS.by(1, model, "input"))
    ledger.fold()
    for number in range(20):
        ledger.add(*metrics.TOKENS.by(1, f"unknown-{number}" * 40, "output"), *metrics.TOKENS.by(1, "b", "input"))
    told = ledger.totals().amounts
    ledger.fold()
    assert ledger.totals().amounts == told
    models = {each.labels[0] for each in told}
    assert models == {"a", "b", ("unknown-0" * 40)[:120], OTHER}
    assert sum(told.values()) == 42
    assert told[Series("tokens_total", "", (OTHER, "output"))] == 19
    assert told[Series("tokens_total", "", ("b", "input"))] == 21


def test_what_has_no_transaction_is_written_together() -> None:
    for _ in range(1000):
        pending.count(*metrics.REFUSED.by(1, "rate_limited"))
    assert CounterChange.objects.count() == 0
    pending.write()
    assert CounterChange.objects.count() == 1
    assert ledger.totals().amounts == {Series("refused_requests_total", "", ("rate_limited",)): 1000}


def test_what_could_not_be_written_is_written_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    pending.count(*metrics.REFUSED.by(1, "queue_full"))
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "add", lambda *_: (_ for _ in ()).throw(OperationalError()))
        with pytest.raises(OperationalError):
            pending.write()
    pending.count(*metrics.REFUSED.by(1, "queue_full"))
    pending.write()
    assert ledger.totals().amounts == {Series("refused_requests_total", "", ("queue_full",)): 2}


def test_it_is_written_within_a_moment_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    written = threading.Event()
    monkeypatch.setattr(pending, "_MOMENT", 0.01)
    monkeypatch.setattr(ledger, "add", lambda *_: written.set())
    pending.count(*metrics.REFUSED.by(1, "queue_full"))
    assert written.wait(20)


def test_before_the_migration_nothing_is_counted_and_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = [CounterChange._meta.db_table]
    monkeypatch.setattr(ledger, "_THERE", Presence("a table of tomorrow"))
    with transaction.atomic():
        ledger.add(*metrics.COMPLETED.by(2))
    assert (ledger.fold(), ledger.totals().amounts) == (0, {})
    monkeypatch.setattr(ledger, "_THERE", Presence(*tables))
    ledger.add(*metrics.COMPLETED.by(3))
    assert completed() == 3
