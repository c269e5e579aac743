"""Tasks as the service wrote them: found, read, and cancelled where they have not ended."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import localize
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __
from django.utils.translation import ngettext

from processing.admin import rendering
from processing.admin.actors import actor
from processing.admin.base import LongList, ReadOnlyPage
from processing.admin.task_filters import ErrorCodeFilter, ModelFilter
from processing.errors import ProcessingError
from processing.tasks import lifecycle
from processing.tasks.models import FINAL, Status, Task

BADGES = {
    Status.QUEUED: "info",
    Status.PROCESSING: "warning",
    Status.COMPLETED: "success",
    Status.FAILED: "danger",
}
# A list shows none of these, and a result may be megabytes.
HEAVY = ("result", "prompt", "options", "error")


@admin.register(Task)
class TaskPage(ReadOnlyPage, LongList):
    """What was asked, where it stands, what came out."""

    list_display = ("state", "asked_model", "owner", "file", "page_count", "created_at", "took", "code")
    list_display_links = ("state", "file")
    list_filter = ("status", ModelFilter, ErrorCodeFilter, "created_at")
    list_select_related = ("owner",)
    search_fields = ("filename", "owner__username", "error_code")
    search_help_text = __("Task id, file name, owner or error code")
    actions = ("cancel",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Task]:
        return super().get_queryset(request).defer(*HEAVY)

    def get_ordering(self, request: HttpRequest) -> tuple[str]:
        """The latest first: ended tasks by their end, all others by their arrival, as their indexes have them."""
        return ("-completed_at",) if request.GET.get("status__exact") in FINAL else ("-seq",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Task], search_term: str
    ) -> tuple[QuerySet[Task], bool]:
        """An id is looked up by its index; anything else is searched for."""
        try:
            return queryset.filter(id=uuid.UUID(search_term.strip())), False
        except ValueError:
            return super().get_search_results(request, queryset, search_term)

    def get_fieldsets(self, request: HttpRequest, obj: Task | None = None) -> list[Any]:
        answer = (
            __("Answer"),
            {
                "fields": ("answer", "passages", "answered_by", "tokens", "details"),
                "description": __("What the model wrote, and the passages of the document that it rests on."),
            },
        )
        error = (
            __("Error"),
            {
                "fields": ("error_sentence", "code", "error_type"),
                "description": __("What the caller was told. The cause is in the log, under the id of the task."),
            },
        )
        ended = [*([answer] if obj and obj.result else []), *([error] if obj and obj.error_code else [])]
        return [
            (
                None,
                {
                    "fields": ("state", "progress_words", "task_id", "owner", "created_at", "started_at", "ended"),
                    "description": __("Written by the service alone: there is nothing to edit on this page."),
                },
            ),
            *ended,
            (
                __("Question"),
                {
                    "fields": ("question", "asked_model", "file", "document_link", "file_words", "settings_in_force"),
                    "description": __("What was sent, and with which settings it is worked on."),
                },
            ),
            (
                __("Work"),
                {
                    "fields": ("attempts_words", "host_words", "lease_expires_at", "task_peak", "sent_with", "sent_as"),
                    "description": __(
                        "Where it ran. A worker holds a lease while it works; when the lease runs out, the task "
                        "goes back to the queue."
                    ),
                },
            ),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Task | None = None) -> list[str]:
        return [name for _title, options in self.get_fieldsets(request, obj) for name in options["fields"]]

    # What is written: actions

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("processing.cancel_task")

    @admin.action(description=__("Cancel the selected tasks"), permissions=["cancel"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        """Ends those that have not ended; their workers stop. The others are left alone."""
        cancelled, ended = 0, 0
        for task in queryset:
            try:
                lifecycle.cancel(task.owner_id, task.id, actor(request))
            except ProcessingError:
                ended += 1
            else:
                cancelled += 1
                self.log_change(request, task, "Cancelled.")
        if cancelled:
            text = ngettext("%d task was cancelled.", "%d tasks were cancelled.", cancelled) % cancelled
            messages.success(request, text)
        if ended:
            text = ngettext("%d task had already ended.", "%d tasks had already ended.", ended) % ended
            messages.warning(request, text)

    # What is shown

    @admin.display(description=__("status"))
    def state(self, task: Task) -> SafeString:
        return rendering.badge(task.get_status_display(), BADGES.get(Status(task.status), ""))

    @admin.display(description=__("model"))
    def asked_model(self, task: Task) -> SafeString:
        return rendering.line(task.model)

    @admin.display(description=__("model used"))
    def answered_by(self, task: Task) -> SafeString:
        return rendering.line(task.model_used)

    @admin.display(description=__("error code"))
    def code(self, task: Task) -> SafeString:
        return rendering.line(task.error_code)

    @admin.display(description=__("file"))
    def file(self, task: Task) -> SafeString:
        return rendering.line(task.filename)

    @admin.display(description=__("pages"))
    def page_count(self, task: Task) -> int | None:
        return task.pages

    @admin.display(description=__("duration"))
    def took(self, task: Task) -> str | None:
        length = _duration(task)
        return None if length is None else rendering.duration(length)

    @admin.display(description=__("id"))
    def task_id(self, task: Task) -> SafeString:
        return rendering.code(str(task.id))

    @admin.display(description=__("progress"))
    def progress_words(self, task: Task) -> str:
        percent = f"{task.progress:.0f} %"
        return f"{percent} · {rendering.visible(task.step)}" if task.step else percent

    @admin.display(description=__("ended"))
    def ended(self, task: Task) -> str | None:
        length = _duration(task)
        if task.completed_at is None:
            return None
        when = localize(timezone.localtime(task.completed_at))
        return when if length is None else _("%(when)s, after %(length)s") % {"when": when, "length": self.took(task)}

    @admin.display(description=__("prompt"))
    def question(self, task: Task) -> SafeString:
        return rendering.block(task.prompt)

    @admin.display(description=__("stored document"))
    def document_link(self, task: Task) -> SafeString | str:
        if task.document_id is None:
            return _("Deleted")
        url = reverse("admin:processing_storeddocument_change", args=[task.document_id])
        return format_html('<a class="text-link" href="{}">{}</a>', url, task.document_id)

    @admin.display(description=__("size and type"))
    def file_words(self, task: Task) -> str:
        words = [_("%(bytes)d bytes") % {"bytes": task.file_size}, rendering.visible(task.file_type)]
        if task.pages is not None:
            words.append(ngettext("%d page", "%d pages", task.pages) % task.pages)
        return " · ".join(words)

    @admin.display(description=__("settings"))
    def settings_in_force(self, task: Task) -> SafeString:
        return rendering.as_json({**task.options, "configuration_revision": task.configuration_revision})

    @admin.display(description=__("text"))
    def answer(self, task: Task) -> SafeString:
        return rendering.block(str(_result(task).get("content", "")))

    @admin.display(description=__("rests on"))
    def passages(self, task: Task) -> SafeString | str:
        found = _result(task).get("citations") or []
        return rendering.citations(found) if found else _("No passage of the document was named.")

    @admin.display(description=__("details"))
    def details(self, task: Task) -> SafeString:
        return rendering.as_json(_result(task).get("processing_metadata") or {})

    @admin.display(description=__("tokens"))
    def tokens(self, task: Task) -> str | None:
        if task.input_tokens is None or task.output_tokens is None:
            return None
        return _("%(read)d read, %(written)d written") % {"read": task.input_tokens, "written": task.output_tokens}

    @admin.display(description=__("what happened"))
    def error_sentence(self, task: Task) -> SafeString:
        return rendering.block(task.error)

    @admin.display(description=__("attempts"))
    def attempts_words(self, task: Task) -> str:
        return _("%(done)d of at most %(most)d") % {"done": task.attempts, "most": task.max_attempts}

    @admin.display(description=__("worker"))
    def host_words(self, task: Task) -> str | None:
        if not task.host:
            return None
        return _("%(host)s, process %(pid)s") % {"host": rendering.visible(task.host), "pid": task.worker_pid}

    @admin.display(description=__("peak memory"))
    def task_peak(self, task: Task) -> str | None:
        return None if task.task_peak_mb is None else f"{task.task_peak_mb:.0f} MB"

    @admin.display(description=__("API key"))
    def sent_with(self, task: Task) -> str | None:
        return None if task.api_key is None else rendering.visible(str(task.api_key))

    @admin.display(description=__("request id"))
    def sent_as(self, task: Task) -> SafeString:
        return rendering.code(task.request_id)


def _result(task: Task) -> dict[str, Any]:
    return task.result if isinstance(task.result, dict) else {}


def _duration(task: Task) -> timedelta | None:
    """How long it was worked on, or is until now."""
    if task.started_at is None:
        return None
    until = task.completed_at if task.status in FINAL else timezone.now()
    return None if until is None else max(until - task.started_at, timedelta())
