"""What is written down of a task, and where: the vocabulary between the writer, the readers and the stores.

Entries are numbered so that nobody has to ask for the next number: the upper bits are the fencing token of the claim
that wrote the entry, the lower ones count within the claim. So numbers rise through all attempts at a task, and
whatever a worker writes that has lost its claim stands before what its successor writes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

_BITS = 20
MOST = (1 << _BITS) - 1  # the last number of a claim, which no entry has: it is the task's end
ERASED = (1 << 63) - 1  # the number that keeps an erased task from being written about


class JournalUnavailableError(Exception):
    """The journal cannot be read or written now."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of the task `seq`: its number, its name, and its data as JSON in ASCII."""

    seq: int
    number: int
    name: str
    data: str


class Store(Protocol):
    """All raise `JournalUnavailableError`, or Django's `Error` where it is the database that does not answer."""

    def append(self, entries: Sequence[Entry]) -> None:
        """Write entries of one task, at once, unless the task was erased. A number that is there already stays."""

    def read(self, after: Mapping[int, int]) -> list[Entry]:
        """The entries of each task (by `seq`) beyond a number, in order."""

    def erase(self, seqs: Collection[int]) -> None:
        """Delete all entries of these tasks, and take no more of them."""

    def idle(self, seconds: float, most: int) -> list[int]:
        """Tasks about which nothing was written for so long."""

    def delete(self, seqs: Collection[int]) -> None:
        """Delete all entries of these tasks."""


def number(token: int, count: int) -> int:
    """The number of the entry that a claim with this token writes as its `count`th."""
    return token << _BITS | min(count, MOST)


def token_of(number: int) -> int:
    """The fencing token of the claim that an entry is of."""
    return number >> _BITS
