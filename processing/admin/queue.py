"""The hosts that run workers, and which of them are alive."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import BooleanField, DateTimeField, ExpressionWrapper, Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __

from processing.admin import rendering
from processing.admin.base import ReadOnlyPage
from processing.queue.host import ALIVE_WITHIN
from processing.queue.models import WorkerHost


def alive() -> Q:
    """The hosts whose heartbeat is fresh, by the clock that it is written with: the database's."""
    return Q(heartbeat_at__gt=ExpressionWrapper(Now() - ALIVE_WITHIN, output_field=DateTimeField()))


@admin.register(WorkerHost)
class HostPage(ReadOnlyPage):
    """What one host last said of itself."""

    list_display = ("host", "state", "workers", "max_concurrent", "memory", "started_at", "heartbeat_at")
    search_fields = ("host",)
    ordering = ("host",)
    fieldsets = (
        (
            None,
            {
                "fields": ("host", "state", "pid", "started_at", "heartbeat_at"),
                "description": __(
                    "Every host that runs workers keeps its row; one that stops in good order removes it. A row "
                    "without a fresh heartbeat is a host that died: its tasks go back to the queue by themselves."
                ),
            },
        ),
        (__("Load"), {"fields": ("workers", "max_concurrent", "memory")}),
    )
    readonly_fields = (
        *("host", "state", "pid", "started_at", "heartbeat_at"),
        *("workers", "max_concurrent", "memory"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[WorkerHost]:
        is_alive = ExpressionWrapper(alive(), output_field=BooleanField())
        hosts: QuerySet[WorkerHost] = super().get_queryset(request)
        return hosts.annotate(is_alive=is_alive)

    @admin.display(description=__("state"))
    def state(self, host: WorkerHost) -> SafeString:
        if getattr(host, "is_alive", False):
            return rendering.badge(_("alive"), "success")
        return rendering.badge(_("silent"), "danger")

    @admin.display(description=__("memory in use"))
    def memory(self, host: WorkerHost) -> str:
        return f"{host.memory_used_percent:.0f} %"
