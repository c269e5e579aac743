"""Stored readings and answers: that they are there, how much room they take, and clearing them. Not what is in them."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.db.models.functions import Length
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __
from django.utils.translation import ngettext

from processing.admin import rendering
from processing.admin.base import LongList, ReadOnlyPage
from processing.pipeline.models import CachedResult


@admin.register(CachedResult)
class CachedResultPage(ReadOnlyPage, LongList):
    """What was computed once and may be used again."""

    list_display = ("what", "owner", "state", "readable_size", "created_at", "expires_at")
    list_filter = ("kind",)
    list_select_related = ("owner",)
    search_fields = ("owner__username", "document_sha256")
    search_help_text = __("Owner or SHA-256 of the document")
    actions = ("clear",)
    list_disable_select_all = False
    fieldsets = (
        (
            None,
            {
                "fields": ("what", "owner", "state", "document", "readable_size"),
                "description": __("Used again for the same owner alone, where nothing has changed that it came from."),
            },
        ),
        (__("Time"), {"fields": ("created_at", "expires_at", "computing_until")}),
    )
    readonly_fields = (
        *("what", "owner", "state", "document", "readable_size"),
        *("created_at", "expires_at", "computing_until"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[CachedResult]:
        """Without the content, which may be megabytes and is the owner's."""
        rows: QuerySet[CachedResult] = super().get_queryset(request)
        return rows.defer("content").annotate(bytes=Length("content"))

    def has_clear_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("processing.delete_cachedresult")

    @admin.action(description=__("Clear the selected results"), permissions=["clear"])
    def clear(self, request: HttpRequest, queryset: QuerySet[CachedResult]) -> None:
        """What is being made at this moment is then not kept."""
        cleared, _each = CachedResult.objects.filter(pk__in=queryset.order_by().values("pk")).delete()
        text = ngettext("%d stored result was cleared.", "%d stored results were cleared.", cleared) % cleared
        messages.success(request, text)

    @admin.display(description=__("kind"))
    def what(self, row: CachedResult) -> str:
        return row.get_kind_display()

    @admin.display(description=__("state"))
    def state(self, row: CachedResult) -> SafeString:
        if getattr(row, "bytes", None) is not None:
            return rendering.badge(_("stored"), "success")
        return rendering.badge(_("being made") if row.token > 0 else _("not kept"), "info")

    @admin.display(description=__("size"))
    def readable_size(self, row: CachedResult) -> str:
        return filesizeformat(getattr(row, "bytes", None) or 0)

    @admin.display(description=__("document"))
    def document(self, row: CachedResult) -> SafeString:
        return rendering.code(row.document_sha256)
