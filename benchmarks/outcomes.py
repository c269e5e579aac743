"""How files ended that were posted, and the table of many of them by kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.table import percentile


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one file.

    `ended` is the task's last status, or `refused` (`code` is then HTTP status and code), `unending` (beyond its
    deadline) or `lost` (no usable reply; `code` names the exception). `seconds` is the service's own processing time.
    """

    kind: str
    name: str
    ended: str
    code: str = ""
    pages: int | None = None
    seconds: float | None = None
    attempts: int = 0


_HEAD = (
    "| Kind | Files | Completed | Failed | Refused | Other | Pages | s/page mean | s/page p95 |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def table(outcomes: Sequence[Outcome]) -> str:
    """A Markdown row for each kind, and one for all of them.

    Seconds a page: the mean is all seconds by all pages, the 95th percentile is over files.
    """
    kinds = dict.fromkeys(each.kind for each in outcomes)
    rows = [_row(kind, [each for each in outcomes if each.kind == kind]) for kind in kinds]
    return "\n".join([_HEAD, *rows, _row("**all**", outcomes)])


def _row(title: str, outcomes: Sequence[Outcome]) -> str:
    completed = [each for each in outcomes if each.ended == "completed"]
    timed = [(each.seconds, each.pages) for each in completed if each.seconds is not None and each.pages]
    pages = sum(number for _, number in timed)
    mean = f"{sum(seconds for seconds, _ in timed) / pages:.3f}" if pages else "–"
    p95 = f"{percentile([seconds / number for seconds, number in timed], 95):.3f}" if timed else "–"
    other = [each for each in outcomes if each.ended not in ("completed", "failed", "refused")]
    cells = [
        title,
        str(len(outcomes)),
        str(len(completed)),
        _by_code([each for each in outcomes if each.ended == "failed"]),
        _by_code([each for each in outcomes if each.ended == "refused"]),
        ", ".join(f"{count} {ended}" for ended, count in Counter(each.ended for each in other).items()) or "–",
        str(pages),
        mean,
        p95,
    ]
    return f"| {' | '.join(cells)} |"


def _by_code(outcomes: Sequence[Outcome]) -> str:
    counted = Counter(each.code for each in outcomes)
    return ", ".join(f"{count} `{code}`" for code, count in counted.most_common()) or "–"
