"""Pages whose forms are told to the audit: what was made, changed and deleted, in the same transaction."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from processing.access import audit
from processing.access.audit import Target
from processing.admin.actors import actor
from processing.admin.base import Page


class Audited(Page):
    """A page of rows that the audit knows as `audited_as`."""

    audited_as: ClassVar[str]
    audit_leaves_out: ClassVar[tuple[str, ...]] = ()

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:  # noqa: FBT001
        former = type(obj)._base_manager.get(pk=obj.pk) if change else None
        form.values_before = {} if former is None else audit.values_of(former, self.audit_leaves_out)
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:  # noqa: FBT001
        """The last of what a form writes, so that all of it is told at once."""
        super().save_related(request, form, formsets, change)
        now = type(form.instance)._base_manager.get(pk=form.instance.pk)
        changes = audit.difference(form.values_before, audit.values_of(now, self.audit_leaves_out))
        if changes:
            audit.record(actor(request), "changed" if change else "created", self.audit_target(now), changes)

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        audit.record(actor(request), "deleted", self.audit_target(obj), audit.values_of(obj, self.audit_leaves_out))
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        with transaction.atomic():
            for obj in queryset:
                values = audit.values_of(obj, self.audit_leaves_out)
                audit.record(actor(request), "deleted", self.audit_target(obj), values)
            super().delete_queryset(request, queryset)

    def audit_target(self, obj: Model) -> Target:
        """How the audit names the row."""
        return Target(self.audited_as, str(obj.pk), str(obj))
