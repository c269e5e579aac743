"""Stored documents: whose they are, what they are and how long they stay."""

from __future__ import annotations

import logging
import uuid
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.defaultfilters import filesizeformat
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __
from django.views.decorators.http import require_GET

from processing.access import audit
from processing.access.audit import Target
from processing.admin import rendering
from processing.admin.actors import actor
from processing.admin.base import LongList, ReadOnlyPage
from processing.documents import registry, store
from processing.documents.models import StoredDocument
from processing.errors import ProcessingError

logger = logging.getLogger(__name__)


class FormatFilter(admin.SimpleListFilter):
    """The formats that the service knows."""

    title = __("format")
    parameter_name = "format"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [(name, name) for name in registry.all_formats()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[StoredDocument]) -> QuerySet[StoredDocument]:
        return queryset.filter(format=self.value()) if self.value() else queryset


@admin.register(StoredDocument)
class DocumentPage(ReadOnlyPage, LongList):
    """A file that was uploaded."""

    list_display = ("name", "owner", "format", "page_count", "readable_size", "created_at", "expires_at")
    list_filter = (FormatFilter, "created_at")
    list_select_related = ("owner",)
    search_fields = ("filename", "owner__username", "sha256")
    search_help_text = __("Document id; file name, owner or SHA-256 among the latest")
    newest_by = ("created_at", "id")
    fieldsets = (
        (
            None,
            {
                "fields": ("name", "owner", "document_id", "bytes_link", "asked_of"),
                "description": __("Written by the service alone: there is nothing to edit on this page."),
            },
        ),
        (__("Content"), {"fields": ("format", "media_type", "page_count", "exact_size", "checksum")}),
        (
            __("Storage"),
            {
                "fields": ("stored_as", "created_at", "expires_at"),
                "description": __(
                    "The bytes of one owner are stored once, under their checksum, whatever names they came with."
                ),
            },
        ),
    )
    readonly_fields = (
        *("name", "owner", "document_id", "bytes_link", "asked_of", "format", "media_type", "page_count"),
        "exact_size",
        *("checksum", "stored_as", "created_at", "expires_at"),
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[StoredDocument], search_term: str
    ) -> tuple[QuerySet[StoredDocument], bool]:
        """An id is looked up by its index; anything else is searched for."""
        try:
            return queryset.filter(id=uuid.UUID(search_term.strip())), False
        except ValueError:
            return super().get_search_results(request, queryset, search_term)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_GET(self.download))
        return [
            path("<uuid:document_id>/download/", view, name="processing_storeddocument_download"),
            *super().get_urls(),
        ]

    def download(self, request: HttpRequest, document_id: uuid.UUID) -> HttpResponseBase:
        """The document's bytes, for the disk and never for the browser to show: they are a stranger's.

        From here, or, where the settings allow it, from the storage by an address that holds for a minute.
        """
        may = request.user.has_perm("processing.download_storeddocument")
        if not (may and self.has_view_permission(request)):
            raise PermissionDenied
        document = get_object_or_404(StoredDocument, pk=document_id)
        try:
            response = _handed_out(document)
        except FileNotFoundError:
            raise Http404 from None
        except ProcessingError as error:
            logger.warning("document could not be handed out", extra={"code": error.code}, exc_info=True)
            return HttpResponse(error.detail, status=503, content_type="text/plain; charset=utf-8")
        audit.record(actor(request), "downloaded", Target("document", str(document.id), document.filename))
        response["Cache-Control"] = "private, no-store"
        return response

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> StoredDocument | None:
        """The document with its name made visible for the page's title too; nothing on this page is saved."""
        document: StoredDocument | None = super().get_object(request, object_id, from_field)
        if document is not None:
            document.filename = rendering.visible(document.filename)
        return document

    @admin.display(description=__("file"))
    def name(self, document: StoredDocument) -> SafeString:
        return rendering.line(document.filename)

    @admin.display(description=__("id"))
    def document_id(self, document: StoredDocument) -> SafeString:
        return rendering.code(str(document.id))

    @admin.display(description=__("content"))
    def bytes_link(self, document: StoredDocument) -> SafeString:
        return download_link(document.id)

    @admin.display(description=__("tasks"))
    def asked_of(self, document: StoredDocument) -> SafeString:
        url = reverse("admin:processing_task_changelist", query={"document__id__exact": document.id})
        return format_html('<a class="text-link" href="{}">{}</a>', url, _("What was asked of this document"))

    @admin.display(description=__("pages"))
    def page_count(self, document: StoredDocument) -> int | None:
        return document.pages

    @admin.display(description=__("size"))
    def readable_size(self, document: StoredDocument) -> str:
        return filesizeformat(document.size)

    @admin.display(description=__("size"))
    def exact_size(self, document: StoredDocument) -> str:
        return _("%(bytes)d bytes") % {"bytes": document.size}

    @admin.display(description=__("SHA-256"))
    def checksum(self, document: StoredDocument) -> SafeString:
        return rendering.code(document.sha256)

    @admin.display(description=__("path in the storage"))
    def stored_as(self, document: StoredDocument) -> SafeString:
        return rendering.code(document.path)


def _handed_out(document: StoredDocument) -> HttpResponseBase:
    """The bytes, or where they are to be had. Raises as `store.opened`."""
    link = store.link(document) if settings.API_V2_STORAGE_REDIRECTS else None
    if link is not None:
        redirect = HttpResponseRedirect(link)
        redirect["Referrer-Policy"] = "no-referrer"
        return redirect
    response = FileResponse(
        store.opened(document), as_attachment=True, filename=document.filename, content_type="application/octet-stream"
    )
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response


def download_link(document_id: uuid.UUID) -> SafeString:
    """A link to a document's bytes; the one who follows it is asked whether they may."""
    url = reverse("admin:processing_storeddocument_download", args=[document_id])
    return format_html('<a class="text-link" href="{}" download>{}</a>', url, _("Download"))
