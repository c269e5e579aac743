"""Budgets: what users and keys may spend in a day or a month, and how much of it is left."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __

from processing.access import budget_changes, budgets
from processing.access.models import Budget
from processing.admin import rendering
from processing.admin.actors import actor
from processing.admin.base import LongList

_STANDING = ("used", "reserved", "left", "resets_at")


class LeftFilter(admin.SimpleListFilter):
    """Whether anything is left."""

    title = __("state")
    parameter_name = "left"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, Any]]:
        return [("exhausted", __("used up")), ("some", __("something is left"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Budget]) -> QuerySet[Budget]:
        of_tokens = Q(tokens__isnull=False, used_tokens__gte=F("tokens"))
        exhausted = of_tokens | Q(money__isnull=False, used_money__gte=F("money"))
        match self.value():
            case "exhausted":
                return queryset.filter(exhausted)
            case "some":
                return queryset.exclude(exhausted)
        return queryset


@admin.register(Budget)
class BudgetPage(LongList):
    """One budget of one user or key for one period."""

    list_display = ("whose", "period", "state", *_STANDING)
    list_filter = (LeftFilter, "period", "active")
    search_fields = ("user__username", "api_key__user__username", "api_key__prefix", "api_key__name")
    search_help_text = __("User, or first characters or name of a key")
    ordering = ("-id",)
    autocomplete_fields = ("user", "api_key")
    readonly_fields = (*_STANDING, "created_at", "updated_at")
    list_disable_select_all = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Budget]:
        found: QuerySet[Budget] = super().get_queryset(request)
        return budgets.with_standing(found.select_related("user", "api_key__user"))

    def get_fieldsets(self, request: HttpRequest, obj: Budget | None = None) -> list[Any]:
        told = __(
            "Of a user by whatever key, or of one API key alone. It counts what was used before in the same period, "
            "and holds for every request to a model from now on. What costs nothing is not bound by money; a model "
            "without prices is refused under such a bound."
        )
        bounds = (None, {"fields": ("user", "api_key", "period", "tokens", "money", "active"), "description": told})
        if obj is None:
            return [bounds]
        return [
            bounds,
            (__("In this period"), {"fields": _STANDING}),
            (__("Times"), {"fields": ("created_at", "updated_at")}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Budget | None = None) -> tuple[str, ...]:
        """Whose it is stays: a budget for somebody else is another one."""
        return (*self.readonly_fields, *(("user", "api_key") if obj else ()))

    def save_model(self, request: HttpRequest, obj: Budget, form: Any, change: bool) -> None:  # noqa: FBT001
        (budget_changes.change if change else budget_changes.create)(actor(request), obj)

    def delete_model(self, request: HttpRequest, obj: Budget) -> None:
        budget_changes.delete(actor(request), obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Budget]) -> None:
        for budget in queryset:
            budget_changes.delete(actor(request), budget)

    @admin.display(description=__("whose"))
    def whose(self, budget: Budget) -> SafeString:
        if budget.api_key is None:
            return rendering.line(budget.user.get_username() if budget.user else "")
        key, name = rendering.code(f"{budget.api_key.prefix}…"), rendering.line(budget.api_key.name)
        return format_html("{} {} ({})", key, name, rendering.line(budget.api_key.user.get_username()))

    @admin.display(description=__("state"))
    def state(self, budget: Budget) -> SafeString:
        standing = budgets.standing(budget)
        if not budget.active:
            return rendering.badge(_("off"))
        if 0 in (standing.left_tokens, standing.left_money):
            used_up = not (standing.reserved_tokens or standing.reserved_money)
            return rendering.badge(_("used up") if used_up else _("reserved"), "danger" if used_up else "warning")
        return rendering.badge(_("open"), "success")

    @admin.display(description=__("used"))
    def used(self, budget: Budget) -> str:
        standing = budgets.standing(budget)
        return _of(budget, standing.used_tokens, standing.used_money)

    @admin.display(description=__("reserved"))
    def reserved(self, budget: Budget) -> str:
        standing = budgets.standing(budget)
        return _of(budget, standing.reserved_tokens, standing.reserved_money)

    @admin.display(description=__("left"))
    def left(self, budget: Budget) -> str:
        standing = budgets.standing(budget)
        return _of(budget, standing.left_tokens or 0, standing.left_money or Decimal(0))

    @admin.display(description=__("renewed"))
    def resets_at(self, budget: Budget) -> str:
        return f"{budgets.standing(budget).resets_at:%Y-%m-%d %H:%M} UTC"


def _of(budget: Budget, tokens: int, money: Decimal) -> str:
    """What the budget bounds, and how much of it there is in words."""
    amounts = []
    if budget.tokens is not None:
        amounts.append(_("%(amount)s of %(bound)s tokens") % {"amount": f"{tokens:,}", "bound": f"{budget.tokens:,}"})
    if budget.money is not None:
        amounts.append(_("$%(amount)s of $%(bound)s") % {"amount": f"{money:,.4f}", "bound": f"{budget.money:,.2f}"})
    return ", ".join(amounts)
