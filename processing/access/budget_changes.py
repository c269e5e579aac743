"""Setting budgets: who changed what is on the audit trail, in the same transaction."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from processing.access import audit
from processing.access.audit import Actor, Target
from processing.access.models import Budget

_BOUNDS = ("period", "tokens", "money", "active")


def create(actor: Actor, budget: Budget) -> None:
    """Write a new budget. Raises `ValidationError`."""
    budget.full_clean()
    with transaction.atomic():
        budget.save(force_insert=True)
        audit.record(actor, "created", _target(budget), _shown(budget))


def change(actor: Actor, budget: Budget) -> None:
    """Write what was changed of a budget; whose it is does not change. Raises `ValidationError`."""
    budget.full_clean()
    with transaction.atomic():
        before = _shown(Budget.objects.select_for_update().get(pk=budget.pk))
        budget.save(update_fields=[*_BOUNDS, "updated_at"])
        after = _shown(budget)
        changes = {name: [before[name], after[name]] for name in after if before[name] != after[name]}
        if changes:
            audit.record(actor, "changed", _target(budget), changes)


def delete(actor: Actor, budget: Budget) -> None:
    """Delete a budget: what it bounded is bounded no more."""
    with transaction.atomic():
        audit.record(actor, "deleted", _target(budget), _shown(budget))
        budget.delete()


def _target(budget: Budget) -> Target:
    return Target("budget", str(budget.pk), str(budget))


def _shown(budget: Budget) -> dict[str, Any]:
    return {
        "period": str(budget.period),
        "tokens": budget.tokens,
        "money": None if budget.money is None else f"{budget.money.normalize():f}",
        "active": budget.active,
    }
