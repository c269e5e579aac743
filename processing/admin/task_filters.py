"""Filters of the task list: each is a walk of an index, with choices from small tables and not from a million tasks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from modelsregistry.models import RegisteredModel
from processing.tasks import arrival
from processing.tasks.models import Status, Task

RECENT = 1000
_FIRST_YEAR, _LAST_YEAR = 1990, 2990
_NAMESAKES = 10  # users whose names differ in their letters' case alone


class FormFilter(admin.SimpleListFilter):
    """A filter with a labelled field, sent with all others by one button."""

    template = "unfold/filters/filters_field.html"
    parameter_name: str

    def has_output(self) -> bool:
        return True

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, Any]]:
        return []

    def field(self) -> forms.Field:
        """A choice of the lookups."""
        choices = [("", _("All")), *((str(value), label) for value, label in self.lookup_choices)]
        return forms.ChoiceField(
            label=capfirst(self.title), required=False, choices=choices, widget=UnfoldAdminSelectWidget()
        )

    def choices(self, changelist: Any) -> Iterator[Any]:
        form = forms.Form({self.parameter_name: self.value()}, auto_id="filter_%s")
        form.fields[self.parameter_name] = self.field()
        yield {"form": form}

    def chosen(self) -> str:
        """What the address names; a null character, which no database stores, names nothing."""
        value = self.value() or ""
        return "" if "\0" in value else value


class StatusFilter(FormFilter):
    """The states that a task can be in."""

    title = _("status")
    parameter_name = "status__exact"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, Any]]:
        return [(status.value, status.label) for status in Status if status != Status.PENDING]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Task]) -> QuerySet[Task]:
        return queryset.filter(status=self.chosen()) if self.chosen() else queryset


class ModelFilter(FormFilter):
    """The model that was asked for, of those that are registered."""

    title = _("model")
    parameter_name = "model"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, Any]]:
        names = RegisteredModel.objects.order_by("public_id").values_list("public_id", flat=True)
        return _with_chosen(list(names), self.used_parameters.get(self.parameter_name))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Task]) -> QuerySet[Task]:
        return queryset.filter(model=self.chosen()) if self.chosen() else queryset


class ErrorCodeFilter(FormFilter):
    """The code of the error, of those that the latest failures had."""

    title = _("error code")
    parameter_name = "error_code"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, Any]]:
        failed = Task.objects.filter(status=Status.FAILED).order_by("-completed_at")
        codes = set(failed.values_list("error_code", flat=True)[:RECENT])
        return _with_chosen(sorted(codes - {""}), self.used_parameters.get(self.parameter_name))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Task]) -> QuerySet[Task]:
        return queryset.filter(error_code=self.chosen()) if self.chosen() else queryset


class OwnerFilter(FormFilter):
    """The user whose task it is, by their whole name: there may be too many to choose from."""

    title = _("owner")
    parameter_name = "owner"

    def field(self) -> forms.Field:
        return forms.CharField(
            label=_("Owner (user name)"), required=False, widget=UnfoldAdminTextInputWidget({"autocomplete": "off"})
        )

    def queryset(self, request: HttpRequest, queryset: QuerySet[Task]) -> QuerySet[Task]:
        name = self.chosen().strip()
        if not name:
            return queryset
        ids = list(User.objects.filter(username__iexact=name).values_list("pk", flat=True)[:_NAMESAKES])
        return queryset.filter(owner_id__in=ids) if len(ids) != 1 else queryset.filter(owner_id=ids[0])


class _MomentInput(UnfoldAdminTextInputWidget):  # type: ignore[misc]  # unfold is untyped
    """The browser's own field for a moment."""

    input_type = "datetime-local"


class _MomentFilter(FormFilter):
    """A moment in UTC."""

    def field(self) -> forms.Field:
        return forms.CharField(label=capfirst(self.title), required=False, widget=_MomentInput())

    def moment(self) -> datetime | None:
        """What the address names; what is no moment of ours names none."""
        try:
            moment = parse_datetime(self.chosen())
        except ValueError:
            return None
        if moment is None or not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
            return None
        return moment if timezone.is_aware(moment) else timezone.make_aware(moment)


class SinceFilter(_MomentFilter):
    """Tasks that came since then."""

    title = _("received since (UTC)")
    parameter_name = "since"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Task]) -> QuerySet[Task]:
        return arrival.between(queryset, self.moment(), None)


class UntilFilter(_MomentFilter):
    """Tasks that came before then."""

    title = _("received before (UTC)")
    parameter_name = "until"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Task]) -> QuerySet[Task]:
        return arrival.between(queryset, None, self.moment())


def _with_chosen(names: list[str], chosen: Any) -> list[tuple[str, Any]]:
    """The names as choices, with the one that the address names even if the table no longer knows it."""
    known = names if not chosen or chosen in names else [*names, str(chosen)]
    return [(name, name) for name in known]
