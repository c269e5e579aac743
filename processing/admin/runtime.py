"""The revisions of the configuration: who changed what, when and why."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from processing.admin import rendering
from processing.admin.base import ReadOnlyPage
from processing.runtime.models import ConfigurationRevision


@admin.register(ConfigurationRevision)
class RevisionPage(ReadOnlyPage):
    """One change of the configuration."""

    list_display = ("number", "changed", "author", "why", "created_at")
    list_filter = ("created_at",)
    list_select_related = ("author",)
    show_facets = admin.ShowFacets.NEVER
    search_fields = ("author__username", "reason", "changes")
    search_help_text = _("Author, reason or setting")
    ordering = ("-id",)
    fieldsets = (
        (
            None,
            {
                "fields": ("number", "author", "why", "created_at"),
                "description": _("History is not edited: the configuration is changed by POST /admin/config."),
            },
        ),
        (
            _("Change"),
            {"fields": ("change",), "description": _("What this revision set; null is a return to the default.")},
        ),
        (
            _("Afterwards"),
            {
                "fields": ("stored",),
                "description": _("All that differed from the defaults once this revision was in force."),
            },
        ),
    )
    readonly_fields = ("number", "author", "why", "created_at", "change", "stored")

    @admin.display(description=_("revision"), ordering="id")
    def number(self, revision: ConfigurationRevision) -> str:
        return str(revision.pk)

    @admin.display(description=_("settings"))
    def changed(self, revision: ConfigurationRevision) -> SafeString:
        return rendering.line(", ".join(revision.changes), length=100)

    @admin.display(description=_("reason"))
    def why(self, revision: ConfigurationRevision) -> SafeString:
        return rendering.line(revision.reason, length=100)

    @admin.display(description=_("settings"))
    def change(self, revision: ConfigurationRevision) -> SafeString:
        return rendering.as_json(revision.changes)

    @admin.display(description=_("settings"))
    def stored(self, revision: ConfigurationRevision) -> SafeString:
        return rendering.as_json(revision.overrides)
