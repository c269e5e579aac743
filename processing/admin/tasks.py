"""Tasks as the service wrote them: found, read, cancelled where they have not ended, tried again where they failed."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import localize
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from processing.admin import dashboard, playground, rendering, task_actions, task_steps
from processing.admin.base import LongList, ReadOnlyPage
from processing.admin.documents import download_link
from processing.admin.task_filters import (
    ErrorCodeFilter,
    ModelFilter,
    OwnerFilter,
    SinceFilter,
    StatusFilter,
    UntilFilter,
)
from processing.pipeline import prompt
from processing.pipeline.options import RequestOptions
from processing.runtime import configuration
from processing.tasks.models import Status, Task

BADGES = {
    Status.QUEUED: "info",
    Status.PROCESSING: "warning",
    Status.COMPLETED: "success",
    Status.FAILED: "danger",
}
# A list shows none of these, and a result may be megabytes.
HEAVY = ("result", "prompt", "options", "error", "past_attempts")
# A word is looked for in so many of the latest tasks that the filters leave: there is no index of parts of words.
LOOKED_THROUGH = 50_000
_OWNERS = 50  # users whose name holds the word


@admin.register(Task)
class TaskPage(ReadOnlyPage, LongList):
    """What was asked, where it stands, what came out."""

    list_display = ("state", "asked_model", "owner", "file", "page_count", "created_at", "took", "code")
    list_display_links = ("state", "file")
    list_filter = (StatusFilter, ModelFilter, OwnerFilter, ErrorCodeFilter, SinceFilter, UntilFilter)
    list_filter_submit = True
    list_select_related = ("owner",)
    newest_by = ("seq",)
    search_fields = ("filename", "owner__username", "error_code", "request_id")
    search_help_text = __("Task id; or file, owner, error code or request id of the latest 50,000")
    actions = ("cancel", "retry")
    change_form_outer_before_template = "processing/admin/task_buttons.html"

    def get_urls(self) -> list[URLPattern]:
        """What the dashboard fetches again; the playground, which makes tasks; the page's buttons, each a form: a link
        would be followed unasked."""
        own = [
            path(
                f"<path:object_id>/{verb}/",
                self.admin_site.admin_view(require_POST(view)),
                name=f"processing_task_{verb}",
            )
            for verb, view in (("cancel", self.cancel_one), ("retry", self.retry_one))
        ]
        live = path("live/", self.admin_site.admin_view(dashboard.live), name="processing_live")
        make = path("playground/", self.admin_site.admin_view(playground.page), name="processing_playground")
        return [live, make, *own, *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Task]:
        return super().get_queryset(request).defer(*HEAVY)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Task], search_term: str
    ) -> tuple[QuerySet[Task], bool]:
        """An id is looked up by its index; anything else is searched for among the latest."""
        word = search_term.strip()
        if not word:
            return queryset, False
        try:
            by_id = queryset.filter(id=uuid.UUID(word))
        except ValueError:
            pass
        else:
            if by_id.exists():
                return by_id, False
        newest = queryset.order_by("-seq").values_list("seq", flat=True).first()
        if newest is None:
            return queryset.none(), False
        owners = list(User.objects.filter(username__icontains=word).values_list("pk", flat=True)[:_OWNERS])
        meant = Q(filename__icontains=word) | Q(request_id=word) | Q(error_code__icontains=word)
        return queryset.filter(meant | Q(owner_id__in=owners), seq__gt=newest - LOOKED_THROUGH), False

    def get_fieldsets(self, request: HttpRequest, obj: Task | None = None) -> list[Any]:
        answer = (
            __("Answer"),
            {
                "fields": ("answer", "passages", "answered_by", "tokens"),
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
            (__("Document"), {"fields": ("file", "file_words", "document_link")}),
            (
                __("Question"),
                {
                    "fields": (*self._prompts(request), "asked_model", "settings_in_force"),
                    "description": __("What was sent, and with which settings it is worked on."),
                },
            ),
            (
                __("Work"),
                {
                    "fields": (
                        *("steps", "attempts_made", "attempts_words", "lease_expires_at", "task_peak"),
                        *("sent_with", "sent_as", *(("details",) if obj and obj.result else ())),
                    ),
                    "description": __(
                        "How it went. A worker holds a lease while it works; when the lease runs out, the task "
                        "goes back to the queue."
                    ),
                },
            ),
        ]

    def _prompts(self, request: HttpRequest) -> tuple[str, ...]:
        """What is shown of the prompt: people write into it what is in their documents."""
        allowed = configuration.current().parameters.show_prompts and request.user.has_perm("processing.view_prompt")
        return ("question", "sent_prompt") if allowed else ("withheld",)

    def get_readonly_fields(self, request: HttpRequest, obj: Task | None = None) -> list[str]:
        return [name for _title, options in self.get_fieldsets(request, obj) for name in options["fields"]]

    # What is written: actions

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("processing.cancel_task")

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("processing.retry_task")

    @admin.action(description=__("Cancel the selected tasks"), permissions=["cancel"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        task_actions.cancel(request, queryset, self.log_change)

    @admin.action(description=__("Try the selected tasks again"), permissions=["retry"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        task_actions.retry(request, queryset, self.log_change)

    def cancel_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The button on the page."""
        task = self._seen(request, object_id, may=self.has_cancel_permission(request))
        task_actions.cancel(request, [task], self.log_change)
        return HttpResponseRedirect(reverse("admin:processing_task_change", args=[task.pk]))

    def retry_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The button on the page."""
        task = self._seen(request, object_id, may=self.has_retry_permission(request))
        task_actions.retry(request, [task], self.log_change)
        return HttpResponseRedirect(reverse("admin:processing_task_change", args=[task.pk]))

    def _seen(self, request: HttpRequest, object_id: str, *, may: bool) -> Task:
        """Raises `PermissionDenied`, and `Http404`."""
        if not (may and self.has_view_permission(request)):
            raise PermissionDenied
        return get_object_or_404(Task.objects.defer(*HEAVY), pk=int(object_id) if object_id.isdecimal() else None)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """With the buttons that apply."""
        task: Task | None = context.get("original")
        if task is not None:
            context["can_cancel"] = task_actions.can_be_cancelled(task) and self.has_cancel_permission(request)
            context["can_retry"] = task_actions.can_be_retried(task) and self.has_retry_permission(request)
        response: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return response

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
        length = task_steps.worked_for(task)
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
        if task.completed_at is None:
            return None
        when = localize(timezone.localtime(task.completed_at))
        return (
            when
            if task.started_at is None
            else _("%(when)s, after %(length)s") % {"when": when, "length": self.took(task)}
        )

    @admin.display(description=__("prompt"))
    def question(self, task: Task) -> SafeString:
        return rendering.block(task.prompt)

    @admin.display(description=__("prompt as sent"))
    def sent_prompt(self, task: Task) -> SafeString | str:
        """Put together anew from the template that was in force when the task came: only the caller's part is kept."""
        in_force = configuration.at(task.configuration_revision)
        if in_force is None:
            return _("The configuration of that time is not known any more.")
        options = RequestOptions.restored(task.options)
        return rendering.block(prompt.instruction(in_force.parameters, task.prompt, options))

    @admin.display(description=__("prompt"))
    def withheld(self, task: Task) -> str:
        return _("Not shown: the configuration or your permissions do not allow it.")

    @admin.display(description=__("stored document"))
    def document_link(self, task: Task) -> SafeString | str:
        if task.document_id is None:
            return _("Deleted")
        url = reverse("admin:processing_storeddocument_change", args=[task.document_id])
        shown = format_html('<a class="text-link" href="{}">{}</a>', url, task.document_id)
        return format_html("{} · {}", shown, download_link(task.document_id))

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

    @admin.display(description=__("each attempt"))
    def attempts_made(self, task: Task) -> SafeString | str:
        return task_steps.attempts_table(task)

    @admin.display(description=__("steps"))
    def steps(self, task: Task) -> SafeString | str:
        return task_steps.steps(task)

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
