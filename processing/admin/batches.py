"""Batches as the service wrote them: what each came to, and the way to its tasks."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __

from processing.admin import rendering
from processing.admin.base import LongList, ReadOnlyPage
from processing.delivery import batches
from processing.tasks.models import Batch


@admin.register(Batch)
class BatchPage(ReadOnlyPage, LongList):
    """A list, and a page for each."""

    list_display = ("batch_id", "owner", "total", "created_at", "completed_at", "cancelled_at")
    list_select_related = ("owner",)
    newest_by = ("seq",)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "batch_id",
                    "owner",
                    "state",
                    "counts",
                    "cost",
                    "created_at",
                    "completed_at",
                    "cancelled_at",
                ),
                "description": __("Written by the service alone: there is nothing to edit on this page."),
            },
        ),
        (
            __("Items"),
            {
                "fields": ("total", "tasks_link", "refused_items"),
                "description": __("Each item is a task of its own, but for those that were refused at once."),
            },
        ),
        (__("Sent"), {"fields": ("sent_with", "sent_as")}),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("owner", "api_key")

    def get_readonly_fields(self, request: HttpRequest, obj: Batch | None = None) -> list[str]:
        return [str(name) for _title, options in self.get_fieldsets(request, obj) for name in options["fields"]]

    @admin.display(description=__("id"))
    def batch_id(self, batch: Batch) -> SafeString:
        return rendering.code(str(batch.id))

    @admin.display(description=__("status"))
    def state(self, batch: Batch) -> str:
        standing = batches.standings([batch])[0]
        return f"{standing.status} · {standing.progress:.0f} %"

    @admin.display(description=__("items by state"))
    def counts(self, batch: Batch) -> str:
        return " · ".join(f"{count} {state}" for state, count in batches.standings([batch])[0].counts.items() if count)

    @admin.display(description=__("cost"))
    def cost(self, batch: Batch) -> str:
        cost = batches.standings([batch])[0].cost
        return _("No price is known") if cost is None else f"${cost:f}"

    @admin.display(description=__("tasks"))
    def tasks_link(self, batch: Batch) -> SafeString:
        url = reverse("admin:processing_task_changelist", query={"batch__exact": batch.pk})
        return format_html('<a class="text-link" href="{}">{}</a>', url, _("Show the tasks of this batch"))

    @admin.display(description=__("refused items"))
    def refused_items(self, batch: Batch) -> SafeString | str:
        return rendering.as_json(batch.refused) if batch.refused else _("None.")

    @admin.display(description=__("API key"))
    def sent_with(self, batch: Batch) -> str | None:
        return None if batch.api_key is None else rendering.visible(str(batch.api_key))

    @admin.display(description=__("request id"))
    def sent_as(self, batch: Batch) -> SafeString:
        return rendering.code(batch.request_id)
