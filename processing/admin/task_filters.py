"""Filters of the task list whose choices come from small tables and indexes, not from a million tasks."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from modelsregistry.models import RegisteredModel
from processing.tasks.models import Status, Task

RECENT = 1000


class ModelFilter(admin.SimpleListFilter):
    """The model that was asked for, of those that are registered."""

    title = _("model")
    parameter_name = "model"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        names = RegisteredModel.objects.order_by("public_id").values_list("public_id", flat=True)
        return _with_chosen(list(names), self.used_parameters.get(self.parameter_name))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Task]) -> QuerySet[Task]:
        return queryset.filter(model=self.value()) if self.value() else queryset


class ErrorCodeFilter(admin.SimpleListFilter):
    """The code of the error, of those that the latest failures had."""

    title = _("error code")
    parameter_name = "error_code"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        failed = Task.objects.filter(status=Status.FAILED).order_by("-completed_at")
        codes = set(failed.values_list("error_code", flat=True)[:RECENT])
        return _with_chosen(sorted(codes - {""}), self.used_parameters.get(self.parameter_name))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Task]) -> QuerySet[Task]:
        return queryset.filter(error_code=self.value()) if self.value() else queryset


def _with_chosen(names: list[str], chosen: Any) -> list[tuple[str, str]]:
    """The names as choices, with the one that the address names even if the table no longer knows it."""
    known = names if not chosen or chosen in names else [*names, str(chosen)]
    return [(name, name) for name in known]
