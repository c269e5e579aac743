"""The account of what was spent: tasks, tokens and money by day, user, key and model, kept when the tasks are gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.db.models import DateField, Func, Sum

from processing import metrics
from processing.access.models import ApiKey, UsageOfDay
from processing.metrics import Increment

# By the database's clock, so that hosts need not agree on the date; in PostgreSQL also within a transaction.
_TODAY = {"sqlite": "DATE('now')", "postgresql": "(STATEMENT_TIMESTAMP() AT TIME ZONE 'UTC')::date"}
_TABLE = UsageOfDay._meta.db_table
_COUNTED = ("tasks", "failed", "input_tokens", "output_tokens", "cost")
# A user or a key that is deleted meanwhile must not keep a task from its end.
_ADD = f"""INSERT INTO {_TABLE} (day, owner_id, api_key_id, key_number, model, {", ".join(_COUNTED)})
SELECT /* today */, u.id, (SELECT k.id FROM {ApiKey._meta.db_table} k WHERE k.id = %s), %s, %s, %s, %s, %s, %s, %s
FROM {User._meta.db_table} u WHERE u.id = %s
ON CONFLICT (owner_id, day, key_number, model) DO UPDATE SET
  {", ".join(f"{name} = {_TABLE}.{name} + excluded.{name}" for name in _COUNTED[:-1])},
  cost = ROUND({_TABLE}.cost + excluded.cost, 8)"""  # noqa: S608  (names of our own)


@dataclass(frozen=True, slots=True, order=True)
class Account:
    """Who spends: a user, by one of their API keys or (None) by a session."""

    owner_id: int
    api_key_id: int | None


@dataclass(frozen=True, slots=True)
class Spent:
    """What was spent on one model, by its public id; `cost` is in US dollars, None where no price is known."""

    model: str
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal | None = None


@dataclass(slots=True)
class _Sum:
    tasks: int = 0
    failed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal = Decimal(0)


class Today(Func):
    """The date in UTC, by the database's clock."""

    template = "CURRENT_DATE"
    output_field = DateField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template=_TODAY["sqlite"], **context)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template=_TODAY["postgresql"], **context)


def record(account: Account, spent: Sequence[Spent], *, ended: str = "", failed: bool = False) -> None:
    """Add what was spent to the account of today; and, where `ended` names a model, a task of it that ended. Inside the
    transaction that ends the task, so that it is counted once and never twice."""
    sums: dict[str, _Sum] = {}
    for each in spent:
        found = sums.setdefault(each.model, _Sum())
        found.input_tokens += each.input_tokens
        found.output_tokens += each.output_tokens
        found.cost += each.cost or 0
    if ended:
        found = sums.setdefault(ended, _Sum())
        found.tasks, found.failed = 1, int(failed)
    for model, found in sorted(sums.items()):  # In one order, so that two who add wait for one another at most once.
        _add(account, model, found)


def counts(spent: Sequence[Spent]) -> tuple[Increment, ...]:
    """What was spent, as the metrics count it."""
    return tuple(
        each
        for part in spent
        for each in (
            *metrics.TOKENS.by(part.input_tokens, part.model, "input"),
            *metrics.TOKENS.by(part.output_tokens, part.model, "output"),
            *metrics.COST.by(float(part.cost or 0), part.model),
        )
    )


def by_day(owner_id: int, since: date) -> list[dict[str, Any]]:
    """A user's use by day and model over all keys, from a day on, the latest first: the columns of `UsageOfDay`."""
    rows = UsageOfDay.objects.filter(owner_id=owner_id, day__gte=since).values("day", "model")
    sums = rows.annotate(**{f"all_{name}": Sum(name) for name in _COUNTED}).order_by("-day", "model")
    return [{name.removeprefix("all_"): value for name, value in row.items()} for row in sums]


def today() -> date:
    """The date in UTC, by the database's clock."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {_TODAY.get(connection.vendor, 'CURRENT_DATE')}")
        found = cursor.fetchone()[0]
    return found if isinstance(found, date) else date.fromisoformat(found)


def _add(account: Account, model: str, found: _Sum) -> None:
    statement = _ADD.replace("/* today */", _TODAY.get(connection.vendor, "CURRENT_DATE"))
    counted: list[Any] = [found.tasks, found.failed, found.input_tokens, found.output_tokens, found.cost]
    key = account.api_key_id
    with connection.cursor() as cursor:
        cursor.execute(statement, [key, key or 0, model, *counted, account.owner_id])
