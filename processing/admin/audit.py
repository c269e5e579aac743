"""The audit: who did what, found and read."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __

from processing.access.models import AuditEntry
from processing.admin import rendering
from processing.admin.base import LongList, ReadOnlyPage

KINDS = (
    *("key", "limits", "budget", "provider", "model", "configuration"),
    *("task", "batch", "document", "user", "group", "backup"),
)
DOORS = ("api", "admin", "command", "service")
_RECENT = 1000


class KindFilter(admin.SimpleListFilter):
    """What was acted on."""

    title = __("what")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [(kind, kind) for kind in KINDS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        return queryset.filter(target_kind=self.value()) if self.value() else queryset


class DoorFilter(admin.SimpleListFilter):
    """Through which door."""

    title = __("through")
    parameter_name = "through"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [(door, door) for door in DOORS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        return queryset.filter(door=self.value()) if self.value() else queryset


class _RecentValues(admin.SimpleListFilter):
    """Choices out of the latest entries, so that nothing asks a million of them, and the one that the address names."""

    parameter_name: str
    column: str

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        recent = AuditEntry.objects.order_by("-id").values_list(self.column, flat=True)[:_RECENT]
        names = {str(name) for name in recent if name}
        chosen = self.used_parameters.get(self.parameter_name)
        if chosen:
            names.add(str(chosen))
        return [(name, rendering.visible(name)) for name in sorted(names)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        return queryset.filter(**{self.column: self.value()}) if self.value() else queryset


class ActionFilter(_RecentValues):
    """What was done."""

    title = __("action")
    parameter_name = column = "action"


class ActorFilter(_RecentValues):
    """Who did it."""

    title = __("who")
    parameter_name = "who"
    column = "actor_name"


@admin.register(AuditEntry)
class AuditPage(ReadOnlyPage, LongList):
    """Entries are added by what they tell of, and by nothing else."""

    list_display = ("at", "who", "door", "action", "target_kind", "what", "summary")
    list_display_links = ("at",)
    list_filter = (KindFilter, ActionFilter, ActorFilter, DoorFilter, "at")
    search_fields = ("=target_id", "=request_id", "target_name", "actor_name", "actor_key")
    search_help_text = __("Name or id of what was acted on, user, beginning of the key, or request id")
    ordering = ("-id",)
    fieldsets = (
        (
            None,
            {
                "fields": ("at", "who", "door", "with_key", "in_request"),
                "description": __("The database refuses to change or to delete an entry, whoever asks."),
            },
        ),
        (__("What was done"), {"fields": ("action", "target_kind", "what", "which", "told", "history")}),
    )
    readonly_fields = (
        *("at", "who", "door", "actor_key", "request_id"),
        *("action", "target_kind", "what", "which", "told", "history"),
    )

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> AuditEntry | None:
        """The entry with its name made visible for the page's title too; nothing on this page is saved."""
        entry: AuditEntry | None = super().get_object(request, object_id, from_field)
        if entry is not None:
            entry.target_name = rendering.visible(entry.target_name)
        return entry

    @admin.display(description=__("who"))
    def who(self, entry: AuditEntry) -> SafeString | str:
        return rendering.line(entry.actor_name) if entry.actor_name else _("the service")

    @admin.display(description=__("name"))
    def what(self, entry: AuditEntry) -> SafeString:
        return rendering.line(entry.target_name or entry.target_id)

    @admin.display(description=__("API key"))
    def with_key(self, entry: AuditEntry) -> SafeString | None:
        return rendering.code(f"{entry.actor_key}…") if entry.actor_key else None

    @admin.display(description=__("request id"))
    def in_request(self, entry: AuditEntry) -> SafeString:
        return rendering.code(entry.request_id)

    @admin.display(description=__("id"))
    def which(self, entry: AuditEntry) -> SafeString:
        return rendering.code(entry.target_id)

    @admin.display(description=__("changes"))
    def summary(self, entry: AuditEntry) -> SafeString:
        return rendering.line(", ".join(str(name) for name in entry.changes), length=80)

    @admin.display(description=__("changes"))
    def told(self, entry: AuditEntry) -> SafeString:
        return rendering.as_json(entry.changes)

    @admin.display(description=__("history"))
    def history(self, entry: AuditEntry) -> SafeString:
        return history_link(entry.target_kind, entry.target_id)


def history_link(kind: str, target_id: str) -> SafeString:
    """A link to all entries about one thing; for the pages of such things too."""
    url = reverse("admin:processing_auditentry_changelist", query={"kind": kind, "target_id": target_id})
    return format_html('<a class="text-link" href="{}">{}</a>', url, _("All that was done to it"))
