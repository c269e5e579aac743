"""Many processes that ask one store at the same time: what each span has admitted in the end."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from processing.access.rates.contract import Store, Window

PROCESSES = 8
REQUESTS = 100  # of each process, at each moment
LIMIT = 60

DAY = 20_000 * 86_400  # a midnight, so the edge of a minute and of an hour, too
HOUR = DAY + 5 * 3600
MINUTE = HOUR + 7 * 60
WINDOWS = {"minute": 60, "hour": 3600, "day": 86_400}
EDGES = {"minute": MINUTE, "hour": HOUR, "day": DAY}

# Per scenario: the windows of each request, and the moments at which it is made; None: now, by the store's clock.
Scenario = tuple[str, tuple[Window, ...], tuple[float | None, ...]]


def at_the_edge_of(name: str) -> Scenario:
    """All three windows, of which the one named is the tightest, a moment before it ends and a moment after."""
    windows = tuple(
        Window(each, f"edge of {name}", seconds, LIMIT if each == name else 10 * PROCESSES * REQUESTS)
        for each, seconds in WINDOWS.items()
    )
    return name, windows, (EDGES[name] - 0.001, EDGES[name] + 0.001)


SCENARIOS: tuple[Scenario, ...] = (
    *map(at_the_edge_of, WINDOWS),
    ("all of them", tuple(Window(name, "all", seconds, LIMIT) for name, seconds in WINDOWS.items()), (DAY + 1.0,)),
    ("now", (Window("day", "now", 86_400, LIMIT),), (None,)),
)


def admitted(kind: str, address: str) -> dict[str, Counter[int]]:
    """How many requests of the crowd were admitted, by scenario and by the end of the span of its tightest window."""
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(PROCESSES)
    told = context.SimpleQueue()
    crowd = [context.Process(target=_ask, args=(kind, address, start, told)) for _ in range(PROCESSES)]
    for each in crowd:
        each.start()
    total: dict[str, Counter[int]] = {name: Counter() for name, _, _ in SCENARIOS}
    for _ in crowd:
        for name, counts in told.get().items():
            total[name] += counts
    for each in crowd:
        each.join()
    return total


def _ask(kind: str, address: str, start: Any, told: Any) -> None:
    store = open_store(kind, address)
    counts: dict[str, Counter[int]] = {}
    for name, windows, moments in SCENARIOS:
        counts[name] = Counter()
        tightest = min(range(len(windows)), key=lambda number: windows[number].quota)
        start.wait()
        for _ in range(REQUESTS):
            for moment in moments:
                verdict = store.take(windows, moment)
                counts[name][verdict.counted[tightest].ends_at] += verdict.admitted
    told.put(counts)


def open_store(kind: str, address: str) -> Store:
    """The store in a process that has no Django yet."""
    if kind == "sqlite":
        from processing.access.rates.sqlite import SqliteStore

        return SqliteStore(lambda: Path(address))
    if kind == "redis":
        from processing.access.rates.redis import RedisStore

        return RedisStore(address)
    import dj_database_url
    from django.conf import settings

    settings.configure(DATABASES={"default": dj_database_url.parse(address)})
    from processing.access.rates.postgresql import PostgresStore

    return PostgresStore()


def assert_exact(total: dict[str, Counter[int]]) -> None:
    """Each span has admitted what it may, and not one request more or less."""
    for name, span in WINDOWS.items():
        assert total[name] == {EDGES[name]: LIMIT, EDGES[name] + span: LIMIT}
    assert sum(total["all of them"].values()) == LIMIT
    assert set(total["now"].values()) == {LIMIT}  # two spans where midnight has struck meanwhile


def counted_in(store: Store, windows: Sequence[Window], at: float) -> list[int]:
    """What stands in each window, which counting for nothing tells."""
    free = tuple(Window(each.policy, each.subject, each.seconds, each.quota, cost=0) for each in windows)
    return [each.used for each in store.take(free, at).counted]
