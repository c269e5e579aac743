"""What the admin's pages have in common: their look, and that what the service writes itself is only shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse

from processing.admin.keyset import KeysetChangeList, KeysetPaginator, keep_place_apart

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

    Page = ModelAdmin[Any]
else:
    from unfold.admin import ModelAdmin as Page


class ReadOnlyPage(Page):
    """A list and a page per row, without any form: not even a superuser adds, changes or deletes here."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class LongList(Page):
    """A list that may have millions of rows: newest first, and nothing on it counts or sorts them all.

    `newest_by` names the columns of its order, the last of them the primary key; an index has them in this order.
    """

    newest_by: tuple[str, ...] = ("id",)
    paginator = KeysetPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()
    list_per_page = 50
    list_disable_select_all = True

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetChangeList]:
        return KeysetChangeList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        keep_place_apart(request)
        response: HttpResponse = super().changelist_view(request, extra_context)
        return response


def is_superuser(request: HttpRequest) -> bool:
    """Whether the one who asks may do everything."""
    return isinstance(request.user, User) and request.user.is_superuser
