"""The shapes of a budget: as it is set, and where it stands."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from rest_framework import serializers

from processing.access.budgets import Standing
from processing.access.models import Budget
from processing.api.strict import StrictSerializer

_LARGEST = 9_000_000_000_000_000  # tokens: beyond any use, and exact in every JSON reader


def _tokens(**more: Any) -> serializers.IntegerField:
    return serializers.IntegerField(
        min_value=0, max_value=_LARGEST, allow_null=True, help_text="Read and written together; null: no bound.", **more
    )


def _money(**more: Any) -> serializers.DecimalField:
    return serializers.DecimalField(
        max_digits=14,
        decimal_places=6,
        min_value=Decimal(0),
        allow_null=True,
        help_text="US dollars; null: no bound.",
        **more,
    )


class BudgetChangeSerializer(StrictSerializer):
    """What to change of a budget. What is left out stays as it is."""

    period = serializers.ChoiceField(choices=Budget.Period.choices, required=False, help_text="By UTC.")
    tokens = _tokens(required=False)
    money = _money(required=False)
    active = serializers.BooleanField(required=False)


class NewBudgetSerializer(BudgetChangeSerializer):
    """A new budget, of a user by whatever key or of one API key; at least one bound."""

    user = serializers.CharField(required=False, max_length=150, help_text="The user's name.")
    key = serializers.IntegerField(required=False, min_value=1, max_value=_LARGEST, help_text="The API key's id.")
    period = serializers.ChoiceField(choices=Budget.Period.choices, help_text="By UTC.")


class AmountSerializer(serializers.Serializer[Any]):
    """Tokens read and written together, and US dollars."""

    tokens = serializers.IntegerField()
    money = serializers.FloatField()


class LeftSerializer(serializers.Serializer[Any]):
    """What may still be reserved; null where nothing bounds it."""

    tokens = serializers.IntegerField(allow_null=True)
    money = serializers.FloatField(allow_null=True)


class OwnBudgetSerializer(serializers.Serializer[Any]):
    """A budget that the caller spends from. `used` has been spent in this period; `reserved` is what the tasks that are
    running may take at most."""

    of = serializers.ChoiceField(choices=["user", "key"], help_text="All of the user's keys together, or this one.")
    period = serializers.ChoiceField(choices=Budget.Period.choices, help_text="By UTC.")
    tokens = serializers.IntegerField(allow_null=True, help_text="The bound; null: none.")
    money = serializers.FloatField(allow_null=True, help_text="The bound in US dollars; null: none.")
    used = AmountSerializer()
    reserved = AmountSerializer()
    left = LeftSerializer()
    resets_at = serializers.FloatField(help_text="Unix seconds.")


class BudgetSerializer(OwnBudgetSerializer):
    """A budget and where it stands."""

    id = serializers.IntegerField()
    user = serializers.CharField(help_text="The user's name; of a key's budget, that of its user.")
    key = serializers.IntegerField(allow_null=True, help_text="The API key's id.")
    key_prefix = serializers.CharField(allow_null=True, help_text="The key's first characters.")
    active = serializers.BooleanField()


class BudgetListSerializer(serializers.Serializer[Any]):
    """A page of budgets."""

    budgets = BudgetSerializer(many=True)
    next_after = serializers.IntegerField(allow_null=True, help_text="`after` for the next page; null on the last.")


class DayOfUseSerializer(serializers.Serializer[Any]):
    """What was used of one model on one day. Attempts that came to nothing count, too; stored answers are no tokens."""

    day = serializers.DateField(help_text="By UTC.")
    model = serializers.CharField()
    tasks = serializers.IntegerField(help_text="That ended.")
    failed = serializers.IntegerField(help_text="Of these.")
    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    cost = serializers.FloatField(help_text="US dollars; 0 where no price is known.")


class UsageSerializer(serializers.Serializer[Any]):
    """The caller's budgets, and what their tasks used."""

    budgets = OwnBudgetSerializer(many=True)
    days = DayOfUseSerializer(many=True)
    since = serializers.DateField(help_text="The first day that is shown.")


def own(standing: Standing) -> dict[str, Any]:
    """The shape of `OwnBudgetSerializer`."""
    budget = standing.budget
    return {
        "of": "key" if budget.api_key_id else "user",
        "period": budget.period,
        "tokens": budget.tokens,
        "money": _number(budget.money),
        "used": {"tokens": standing.used_tokens, "money": float(standing.used_money)},
        "reserved": {"tokens": standing.reserved_tokens, "money": float(standing.reserved_money)},
        "left": {"tokens": standing.left_tokens, "money": _number(standing.left_money)},
        "resets_at": standing.resets_at.timestamp(),
    }


def described(standing: Standing) -> dict[str, Any]:
    """The shape of `BudgetSerializer`."""
    budget = standing.budget
    user = budget.user or (budget.api_key.user if budget.api_key else None)
    return {
        "id": budget.pk,
        "user": user.get_username() if user else "",
        "key": budget.api_key_id,
        "key_prefix": budget.api_key.prefix if budget.api_key else None,
        "active": budget.active,
        **own(standing),
    }


def day_of_use(row: dict[str, Any]) -> dict[str, Any]:
    """The shape of `DayOfUseSerializer`."""
    day: date = row["day"]
    return {**row, "day": day.isoformat(), "cost": float(row["cost"])}


def _number(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)
