"""Budgets: what a caller has used, reserved and left, and reserving more, so that no number of tasks overruns them.

What is used is the sum of `UsageOfDay` in the period; what is reserved, that of the claims that ask a model now. Both
are read by one statement, and whoever reserves holds a lock on the budgets meanwhile: so the two together never pass
the bound, as long as no request takes more than was reserved for it. A settlement only ever lowers their sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.db.models import (
    BigIntegerField,
    DateField,
    DateTimeField,
    DecimalField,
    ExpressionWrapper,
    F,
    Func,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
)
from django.db.models.functions import Coalesce, Now

from modelsregistry.registry import ModelEntry
from processing.access.models import ApiKey, Budget, Reservation, UsageOfDay
from processing.access.usage import Account, Today
from processing.errors import InvalidInput, LimitReached

_MONEY = DecimalField(max_digits=16, decimal_places=8)
_FIRST_DAY = {
    "sqlite": "CASE %(expressions)s WHEN 'month' THEN DATE('now', 'start of month') ELSE DATE('now') END",
    "postgresql": "CASE %(expressions)s WHEN 'month' THEN DATE_TRUNC('month', STATEMENT_TIMESTAMP() AT TIME ZONE 'UTC')"
    "::date ELSE (STATEMENT_TIMESTAMP() AT TIME ZONE 'UTC')::date END",
}
# Everybody asks, most have none: written once, not built anew each time.
_ANY = f"""SELECT 1 FROM {Budget._meta.db_table}
WHERE active AND (user_id = %s OR api_key_id = %s) LIMIT 1"""  # noqa: S608


class BudgetExhausted(LimitReached):
    """Nothing, or too little, is left until the period ends, which `retry_after` says."""


class BudgetReserved(LimitReached):
    """Enough is left, and tasks that run hold it: some of it will be free when they end."""

    retryable = True


@dataclass(frozen=True, slots=True)
class Need:
    """The most that is about to be spent on a model: tokens, and US dollars, None where no price is known."""

    model: str
    tokens: int
    money: Decimal | None


@dataclass(frozen=True, slots=True)
class Holder:
    """For whom something is reserved: a claim, by the `seq` of its task and its fencing token."""

    task: int
    token: int


class _FirstDay(Func):
    """The first day of a budget's period, by the database's clock."""

    output_field = DateField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template=_FIRST_DAY["sqlite"], **context)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template=_FIRST_DAY["postgresql"], **context)


@dataclass(frozen=True, slots=True)
class Standing:
    """A budget and where it stands now, in tokens and US dollars. `today` is the database's."""

    budget: Budget
    used_tokens: int
    used_money: Decimal
    reserved_tokens: int
    reserved_money: Decimal
    today: date

    @property
    def left_tokens(self) -> int | None:
        """None without a bound."""
        bound = self.budget.tokens
        return None if bound is None else max(0, bound - self.used_tokens - self.reserved_tokens)

    @property
    def left_money(self) -> Decimal | None:
        """None without a bound."""
        bound = self.budget.money
        return None if bound is None else max(Decimal(0), bound - self.used_money - self.reserved_money)

    @property
    def resets_at(self) -> datetime:
        """When the next period begins: at midnight, UTC."""
        day = self.today
        if self.budget.period == Budget.Period.MONTH:
            day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
        else:
            day += timedelta(days=1)
        return datetime.combine(day, time(), UTC)

    def require_tokens(self) -> None:
        """Raises `BudgetExhausted` when no token is left, whatever tasks that run may give back."""
        if self.budget.tokens is not None and self.used_tokens >= self.budget.tokens:
            raise self._exhausted(f"{self._whose} of {self.budget.tokens} tokens a {self.budget.period} is used up.")

    def require_money(self, model: str, *, is_free: bool, has_prices: bool) -> None:
        """Raises `BudgetExhausted` when no money is left for the model, `InvalidInput` for one without prices."""
        if self.budget.money is None or is_free:
            return
        if not has_prices:
            raise _without_price(model)
        if self.used_money >= self.budget.money:
            raise self._exhausted(f"{self._whose} of {_dollars(self.budget.money)} a {self.budget.period} is used up.")

    def require(self, need: Need) -> None:
        """Raises `BudgetExhausted` where the need can never be met in this period, `BudgetReserved` where it cannot be
        met now, `InvalidInput` for a model without prices under a budget of money."""
        if self.budget.tokens is not None:
            self._require(need.tokens, self.used_tokens, self.reserved_tokens, self.budget.tokens, "{} tokens")
        if self.budget.money is not None and need.money != 0:
            if need.money is None:
                raise _without_price(need.model)
            self._require(need.money, self.used_money, self.reserved_money, self.budget.money, "{} US dollars")

    def _require(
        self, need: int | Decimal, used: int | Decimal, reserved: int | Decimal, bound: int | Decimal, amount: str
    ) -> None:
        if used + need > bound:
            asked, left = amount.format(_plain(need)), amount.format(_plain(max(bound - used, bound * 0)))
            raise self._exhausted(
                f"This task may take {asked}, and of {self._whose.lower()} a {self.budget.period} {left} are left."
            )
        if used + reserved + need > bound:
            raise BudgetReserved("Its budget is reserved by tasks that are running.", "budget_reserved")

    @property
    def _whose(self) -> str:
        return "The budget of this API key" if self.budget.api_key_id else "The budget of this user"

    def _exhausted(self, why: str) -> BudgetExhausted:
        left = (self.resets_at - datetime.now(UTC)).total_seconds()
        renewed = f"It is renewed on {self.resets_at:%d %B %Y at %H:%M} UTC."
        return BudgetExhausted(f"{why} {renewed}", "budget_exhausted", retry_after=max(1, round(left) + 1))


@dataclass(frozen=True, slots=True)
class Allowance:
    """The budgets that one submission is measured by, as they were read once; without any it is free."""

    standings: tuple[Standing, ...]

    def require_tokens(self) -> None:
        """Refuse early: raises `BudgetExhausted` when no tokens are left, whatever model is asked."""
        for each in self.standings:
            each.require_tokens()

    def require(self, model: ModelEntry) -> None:
        """Raises `BudgetExhausted` when no money is left for this model, `InvalidInput` (`model_without_price`)."""
        for each in self.standings:
            each.require_money(model.id, is_free=model.is_free, has_prices=model.has_prices)


def allowance(account: Account) -> Allowance:
    """For a caller without a budget one look at an index. What is exact is settled when a model is asked; this spares
    vain submissions."""
    return Allowance(tuple(standings(account)) if _has_any(account) else ())


def standings(account: Account, *, beside: Holder | None = None) -> list[Standing]:
    """The active budgets that a caller spends from and where they stand, without what `beside` has reserved. One
    query."""
    rows = with_standing(Budget.objects.filter(_of(account), active=True), beside)
    return [standing(row) for row in rows.order_by("pk")]


def with_standing(budgets: QuerySet[Budget], beside: Holder | None = None) -> QuerySet[Budget]:
    """The budgets with what `standing` reads from each, all by one statement."""
    # Of the two one is NULL, and equal to nothing.
    whose = Q(owner_id=OuterRef("user_id")) | Q(api_key_id=OuterRef("api_key_id"))
    used = UsageOfDay.objects.filter(whose, day__gte=OuterRef("first_day")).order_by()
    reserved = Reservation.objects.filter(whose, until__gt=Now()).order_by()
    if beside is not None:
        reserved = reserved.exclude(task=beside.task, token=beside.token)
    return budgets.annotate(
        today=Today(),
        first_day=_FirstDay(F("period")),
        used_tokens=_sum(used, F("input_tokens") + F("output_tokens")),
        used_money=_sum_of_money(used, "cost"),
        reserved_tokens=_sum(reserved, F("tokens")),
        reserved_money=_sum_of_money(reserved, "money"),
    )


def standing(row: Any) -> Standing:
    """Of a row of `with_standing`."""
    return Standing(row, row.used_tokens, row.used_money, row.reserved_tokens, row.reserved_money, row.today)


def reserve(account: Account, holder: Holder, need: Need, lasting: timedelta) -> bool:
    """Set the need aside in all budgets of the caller, in place of what the holder had set aside before; whether there
    are any. It counts until it is settled, and for `lasting` at most.

    Raises `BudgetReserved`, `BudgetExhausted` and `InvalidInput` (`model_without_price`), and then reserves nothing.
    """
    if not _has_any(account):
        return False
    with transaction.atomic():
        # In one order, and before anything is read that others who reserve could change.
        list(Budget.objects.select_for_update().filter(_of(account), active=True).order_by("pk").values_list("pk"))
        for each in standings(account, beside=holder):
            each.require(need)
        Reservation.objects.filter(owner_id=account.owner_id, until__lt=Now()).delete()
        Reservation.objects.update_or_create(
            task=holder.task,
            token=holder.token,
            defaults={
                "owner_id": account.owner_id,
                "api_key_id": ApiKey.objects.filter(pk=account.api_key_id or 0).values_list("pk", flat=True).first(),
                "tokens": need.tokens,
                "money": need.money or Decimal(0),
                "until": _from_now(lasting),
            },
        )
    return True


def _has_any(account: Account) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_ANY, [account.owner_id, account.api_key_id or 0])
        return cursor.fetchone() is not None


def _of(account: Account) -> Q:
    user = Q(user_id=account.owner_id)
    return user if account.api_key_id is None else user | Q(api_key_id=account.api_key_id)


def _sum(rows: QuerySet[Any], what: Any) -> Coalesce:
    """Without GROUP BY, which an aggregate of Django's would bring along."""
    total = rows.annotate(total=Func(what, function="SUM", output_field=BigIntegerField())).values("total")
    return Coalesce(Subquery(total), Value(0), output_field=BigIntegerField())


def _sum_of_money(rows: QuerySet[Any], column: str) -> Coalesce:
    total = rows.annotate(total=Func(F(column), function="SUM", output_field=_MONEY)).values("total")
    return Coalesce(Subquery(total), Value(Decimal(0)), output_field=_MONEY)


def _without_price(model: str) -> InvalidInput:
    return InvalidInput(
        f"No price is known for the model {model}, and a budget of money is set. An administrator has to enter its "
        "prices; 0 for one that costs nothing.",
        "model_without_price",
    )


def _dollars(amount: Decimal) -> str:
    return f"{_plain(amount)} US dollars"


def _plain(amount: int | Decimal) -> str:
    return f"{amount.normalize():f}" if isinstance(amount, Decimal) else str(amount)


def _from_now(span: timedelta) -> ExpressionWrapper[Any]:
    return ExpressionWrapper(Now() + span, output_field=DateTimeField())
