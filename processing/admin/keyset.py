"""Pages of long lists by the place where the last one ended, so that the thousandth page costs what the first does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet
from django.db.models.expressions import Combinable
from django.http import HttpRequest
from unfold.paginator import InfinitePaginator

if TYPE_CHECKING:
    from django.contrib.admin.views.main import ChangeList
else:
    from unfold.views import ChangeList

OLDER, NEWER = "older_than", "newer_than"
_BETWEEN = "~"


class KeysetPaginator(InfinitePaginator):  # type: ignore[misc]  # unfold is untyped
    """Counts nothing, and offers the neighbouring pages."""

    template_name = "processing/admin/keyset_pagination.html"


class KeysetChangeList(ChangeList):
    """A list in the order of its page's `newest_by`, newest first; the address says from which row on.

    `older` and `newer` are the queries of the neighbouring pages, empty at the ends.
    """

    older = newer = newest = ""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[str | Combinable]:
        """No other: it would have to sort everything."""
        return [f"-{name}" for name in self._names]

    def get_results(self, request: HttpRequest) -> None:
        """Find the rows of the page by the index alone, then read them."""
        older_than, newer_than = self._place(request, OLDER), self._place(request, NEWER)
        size = self.list_per_page
        keys = list(self._walk(newer_than, newer=True)[: size + 1]) if newer_than else []
        backwards = len(keys) > size  # Else the page would be the first one, which is whole.
        if backwards:
            keys = keys[size - 1 :: -1]
        else:
            keys = list(self._walk(None if newer_than else older_than, newer=False)[: size + 1])
        more, keys = backwards or len(keys) > size, keys[:size]
        at_start = not backwards and (older_than is None or newer_than is not None)

        self.result_list = self.queryset.filter(pk__in=[key[-1] for key in keys])[:size]
        self.result_count = len(keys)
        self.full_result_count = self.result_count  # Nothing is counted, so no other number is to be told beside it.
        self.show_full_result_count = False
        self.show_admin_actions = True
        self.can_show_all = self.multi_page = False
        self.paginator = KeysetPaginator(self.queryset, size)
        self.older = self.get_query_string({OLDER: _written(keys[-1])}) if more and keys else ""
        self.newer = self.get_query_string({NEWER: _written(keys[0])}) if not at_start and keys else ""
        self.newest = "" if at_start else self.get_query_string()

    @property
    def _names(self) -> tuple[str, ...]:
        names: tuple[str, ...] = self.model_admin.newest_by  # type: ignore[attr-defined]
        return names

    def _walk(self, place: tuple[Any, ...] | None, *, newer: bool) -> QuerySet[Any, tuple[Any, ...]]:
        rows: QuerySet[Any] = self.queryset
        if place is not None:
            rows = rows.filter(_beyond(self._names, place, "gt" if newer else "lt"))
        order = self._names if newer else [f"-{name}" for name in self._names]
        keys: QuerySet[Any, tuple[Any, ...]] = rows.select_related(None).order_by(*order).values_list(*self._names)
        return keys

    def _place(self, request: HttpRequest, name: str) -> tuple[Any, ...] | None:
        """The place that the address names. Raises `IncorrectLookupParameters`."""
        text = getattr(request, name, "")
        if not text:
            return None
        parts = text.split(_BETWEEN)
        if len(parts) != len(self._names):
            raise IncorrectLookupParameters
        try:
            return tuple(_read(self.model, each, part) for each, part in zip(self._names, parts, strict=True))
        except ValidationError as error:
            raise IncorrectLookupParameters from error


def keep_place_apart(request: HttpRequest) -> None:
    """Take the place out of the query, so that no link and no form carries it on to another list."""
    query = request.GET.copy()
    for name in (OLDER, NEWER):
        setattr(request, name, query.pop(name, [""])[-1])
    request.GET = query  # type: ignore[assignment]


def _beyond(names: tuple[str, ...], place: tuple[Any, ...], side: str) -> Q:
    """`(a, b) < (x, y)`, in words that every database finds its way through an index by."""
    if len(names) == 1:
        return Q(**{f"{names[0]}__{side}": place[0]})
    first, second = names
    tie = Q(**{first: place[0], f"{second}__{side}": place[1]})
    return Q(**{f"{first}__{side}e": place[0]}) & (Q(**{f"{first}__{side}": place[0]}) | tie)


def _written(key: tuple[Any, ...]) -> str:
    return _BETWEEN.join(part.isoformat() if hasattr(part, "isoformat") else str(part) for part in key)


def _read(model: type[Model], name: str, text: str) -> Any:
    field = model._meta.get_field(name)
    return field.clean(text, None)  # type: ignore[union-attr]  # a column, never a relation
