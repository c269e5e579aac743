"""Setting budgets: who changed what is on the audit trail, in the same transaction."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from processing.access import audit
from processing.access.audit import Actor, Target
from processing.access.models import Budget

_TAKEN = _("There is a budget for this period already.")
_BOUNDS = ("period", "tokens", "money", "active")


def create(actor: Actor, budget: Budget) -> None:
    """Write a new budget. Raises `ValidationError`."""
    budget.full_clean()
    try:
        with transaction.atomic():
            budget.save(force_insert=True)
            audit.record(actor, "created", _target(budget), _shown(budget))
    except IntegrityError as error:  # Somebody was faster.
        raise ValidationError({"period": ValidationError(_TAKEN, code="unique")}) from error


def change(actor: Actor, budget: Budget) -> None:
    """Write what was changed of a budget; whose it is does not change. Raises `ValidationError`."""
    budget.full_clean()
    with transaction.atomic():
        before = _shown(Budget.objects.select_for_update().get(pk=budget.pk))
        try:
            with transaction.atomic():
                budget.save(update_fields=[*_BOUNDS, "updated_at"])
        except IntegrityError as error:
            raise ValidationError({"period": ValidationError(_TAKEN, code="unique")}) from error
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
