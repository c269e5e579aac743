"""The revisions of the configuration: who changed what, when and why, and the way back to each."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action

from processing.admin import configuration, rendering
from processing.admin.base import ReadOnlyPage
from processing.runtime import revisions
from processing.runtime.models import ConfigurationRevision

_ON_A_LINE = 3  # differences that the list shows of a revision
_SHORT = 60  # characters of a value there


@admin.register(ConfigurationRevision)
class RevisionPage(ReadOnlyPage):
    """One change of the configuration. The configuration's own page is the room's other one."""

    list_display = ("number", "changed", "author", "why", "created_at")
    list_filter = ("created_at",)
    list_per_page = 50
    show_facets = admin.ShowFacets.NEVER
    search_fields = ("author__username", "reason", "changes")
    search_help_text = _("Author, reason or setting")
    ordering = ("-id",)
    fieldsets = (
        (
            None,
            {
                "fields": ("number", "author", "why", "created_at"),
                "description": _("History is not edited; going back to a revision makes a new one."),
            },
        ),
        (_("Change"), {"fields": ("change",)}),
        (
            _("Afterwards"),
            {
                "fields": ("stored",),
                "description": _("All that differed from the defaults once this revision was in force."),
            },
        ),
    )
    readonly_fields = ("number", "author", "why", "created_at", "change", "stored")
    actions_detail = ("restore",)

    def get_urls(self) -> list[Any]:
        """The configuration's own page stands beside its history."""
        page = self.admin_site.admin_view(configuration.page)
        urls: list[Any] = super().get_urls()
        return [path("now/", page, name="processing_configuration"), *urls]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ConfigurationRevision]:
        """Each with what it needs to say what it changed."""
        return revisions.history()

    def has_restore_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """As the API: it makes a revision."""
        return request.user.has_perm(configuration.MAY_CHANGE)

    @action(  # type: ignore[untyped-decorator]  # unfold is untyped
        description=_("Restore this"), url_path="restore", icon="settings_backup_restore", permissions=["restore"]
    )
    def restore(self, request: HttpRequest, object_id: str) -> HttpResponse:
        # A link is followed without asking: it leads to a page that asks.
        number = int(object_id) if object_id.isascii() and object_id.isdecimal() and len(object_id) < 19 else 0
        return configuration.restore_page(request, number, ConfigurationRevision)

    @admin.display(description=_("revision"), ordering="id")
    def number(self, revision: ConfigurationRevision) -> str:
        return str(revision.pk)

    @admin.display(description=_("settings"))
    def changed(self, revision: ConfigurationRevision) -> SafeString:
        return rendering.differences(revisions.what_changed(revision), limit=_ON_A_LINE, length=_SHORT)

    @admin.display(description=_("reason"))
    def why(self, revision: ConfigurationRevision) -> SafeString:
        return rendering.line(revision.reason, length=100)

    @admin.display(description=_("settings"))
    def change(self, revision: ConfigurationRevision) -> SafeString:
        return rendering.differences(revisions.what_changed(revision))

    @admin.display(description=_("settings"))
    def stored(self, revision: ConfigurationRevision) -> SafeString:
        return rendering.as_json(revision.overrides)
