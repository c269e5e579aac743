"""What is counted, and what came of it: the vocabulary between those who ask and the stores that count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol


class StoreUnavailableError(Exception):
    """The store cannot count now; another has to."""


@dataclass(frozen=True, slots=True)
class Window:
    """At most `quota` units of `subject` in each span of so many `seconds`, of which this request takes `cost`.

    Spans begin at the full minute, hour or day of the Unix clock, for everybody at once. `policy` is what clients read.
    """

    policy: str
    subject: str
    seconds: int
    quota: int
    cost: int = 1


@dataclass(frozen=True, slots=True)
class Counted:
    """A window and how it stands: units `used`, and the Unix second at which it begins anew."""

    window: Window
    used: int
    ends_at: int

    @property
    def remaining(self) -> int:
        """Units that are left."""
        return max(0, self.window.quota - self.used)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether there was room in all windows, which were counted then, or else none of them. `now` is the Unix time by
    the clock that decided, which is that of the store `by` which it was counted."""

    counted: tuple[Counted, ...]
    admitted: bool
    now: float
    by: Store | None = field(default=None, compare=False, repr=False)

    @property
    def violated(self) -> tuple[Counted, ...]:
        """The windows without room; none where the request was admitted."""
        if self.admitted:
            return ()
        return tuple(each for each in self.counted if each.used + each.window.cost > each.window.quota)


class Store(Protocol):
    """Counts exactly, whoever else counts at the same time."""

    def take(self, windows: Sequence[Window], at: float | None = None) -> Verdict:
        """Count in every window, or in none where one has no room. `at` stands in for the store's clock in tests.

        Raises `StoreUnavailableError`.
        """

    def give_back(self, verdict: Verdict) -> None:
        """Undo what an admitted request has taken. Raises `StoreUnavailableError`."""


def end_of(seconds: int, now: float) -> int:
    """When the span of so many seconds that `now` is in ends, in Unix seconds."""
    return (int(now // seconds) + 1) * seconds
