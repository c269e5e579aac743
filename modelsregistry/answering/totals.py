"""Chooses the sum to pay among everything that a document calls a total."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal

from .fields import Candidate, candidates
from .layout import Line
from .lexicon import BY_NAME

_ROUNDING_STEP = Decimal("0.05")


def ranked_totals(lines: Sequence[Line]) -> list[Candidate]:
    """Candidates for the total, best first: by label, then by what the other sums on the page confirm."""
    found = candidates(BY_NAME["total"], lines)
    if not found:
        return []
    certain = {candidate.value.number for candidate in found if candidate.value.sure}
    found = [_fitted(candidate, certain) for candidate in found]
    paid = _numbers(candidates(BY_NAME["paid"], lines))
    change = _numbers(candidates(BY_NAME["change"], lines))
    settled = {tendered - given for tendered in paid for given in change} | set(paid)
    sums = {
        net + tax
        for net in _numbers(candidates(BY_NAME["subtotal"], lines))
        for tax in _numbers(candidates(BY_NAME["tax"], lines))
        if tax
    }
    times = Counter(candidate.value.number for candidate in found)
    graded = [
        replace(candidate, grade=candidate.grade + _support(candidate, times, settled, sums)) for candidate in found
    ]
    order = sorted(enumerate(graded), key=lambda pair: (-pair[1].grade, -pair[0]))
    best = [candidate for _, candidate in order]
    return _rounded(best)


def _fitted(candidate: Candidate, certain: set[Decimal | None]) -> Candidate:
    """Without decimals or a currency a number beside `total` is as likely a count, or has lost its point in a scan."""
    number = candidate.value.number
    if candidate.value.sure or number is None:
        return candidate
    lost_point = number / 100 in certain
    return replace(candidate, grade=candidate.grade - (80 if lost_point else 25))


def _numbers(found: Iterable[Candidate]) -> list[Decimal]:
    """At most sixty distinct sums, so that comparing pairs stays cheap on long statements."""
    numbers = dict.fromkeys(candidate.value.number for candidate in found if candidate.value.number is not None)
    return list(numbers)[:60]


def _support(candidate: Candidate, times: Counter[Decimal | None], settled: set[Decimal], sums: set[Decimal]) -> float:
    number = candidate.value.number
    if number is None or number == 0:
        return -50.0
    support = 2.0 * min(times[number] - 1, 3)
    if number in settled:
        support += 12.0
    if number in sums:
        support += 6.0
    return support - (10.0 if number < 0 else 0.0)


def _rounded(best: list[Candidate]) -> list[Candidate]:
    """A line of rounding that repeats the total a few cents off is what is really paid."""
    top = best[0]
    for place, candidate in enumerate(best):
        number, total = candidate.value.number, top.value.number
        if number is None or total is None or "round" not in candidate.label:
            continue
        if number != total and 0 < abs(number - total) < _ROUNDING_STEP and number > 1:
            return [candidate, *best[:place], *best[place + 1 :]]
    return best
