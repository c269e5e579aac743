"""Who may call more often, or less often, than everybody else."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __

from processing.access import audit
from processing.access.audit import Actor, Target
from processing.access.models import CallerLimits
from processing.access.rates.allowances import OWN
from processing.admin import rendering
from processing.admin.base import Page
from processing.runtime import configuration


class LimitsForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when it runs
    """Limits of a key or of a user, at least one of them."""

    class Meta:
        model = CallerLimits
        fields = ("key", "user", *OWN, "reason")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        everybodys = configuration.current().parameters.rate_limits
        for name in OWN:
            if name in self.fields:
                self.fields[name].widget.attrs["placeholder"] = str(getattr(everybodys, name))

    def clean(self) -> dict[str, Any]:
        """Raises `ValidationError` for a row that changes nothing."""
        given = super().clean() or self.cleaned_data
        if not self.errors and all(given.get(name) is None for name in OWN):
            raise forms.ValidationError(_("Set one limit at least."), code="empty")
        return given


class WhoseFilter(admin.SimpleListFilter):
    """Whether it is about one key, or about a user with all keys."""

    title = __("whose")
    parameter_name = "whose"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, Any]]:
        return [("key", __("of keys")), ("user", __("of users"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[CallerLimits]) -> QuerySet[CallerLimits]:
        if self.value() in ("key", "user"):
            return queryset.filter(**{f"{self.value()}__isnull": False})
        return queryset


@admin.register(CallerLimits)
class LimitsPage(Page):
    """What is empty here is inherited: a key's from its user, a user's from the configuration."""

    form = LimitsForm
    list_display = ("caller", *OWN, "why", "updated_at")
    list_filter = (WhoseFilter,)
    list_select_related = ("key__user", "user")
    show_facets = admin.ShowFacets.NEVER
    search_fields = ("key__prefix", "key__name", "key__user__username", "user__username", "reason")
    search_help_text = __("A key's first characters or name, a user, or the reason")
    ordering = ("-updated_at",)
    autocomplete_fields = ("key", "user")
    fieldsets = (
        (
            __("Whose"),
            {
                "fields": ("key", "user"),
                "description": __(
                    "Either one key, which is counted by itself, or one user: then all that the user does is counted "
                    "together, whichever key is used. Where a key has a limit and its user too, both hold."
                ),
            },
        ),
        (
            __("How often"),
            {
                "fields": OWN,
                "description": __(
                    "Empty: what is inherited holds, a key's from its user, a user's from the configuration (in grey). "
                    "A change holds within two seconds."
                ),
            },
        ),
        (None, {"fields": ("reason",)}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: CallerLimits | None = None) -> tuple[str, ...]:
        """Whose they are is not changed: delete them, and make others."""
        return ("key", "user") if obj is not None else ()

    def save_model(self, request: HttpRequest, obj: CallerLimits, form: Any, change: bool) -> None:  # noqa: FBT001
        super().save_model(request, obj, form, change)
        _record(
            request, obj, "changed" if change else "created", {name: _plain(obj, name) for name in form.changed_data}
        )

    def delete_model(self, request: HttpRequest, obj: CallerLimits) -> None:
        _record(request, obj, "deleted", _set(obj))
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[CallerLimits]) -> None:
        """Each with an entry of its own."""
        for limits in queryset.select_related("key__user", "user"):
            self.delete_model(request, limits)

    @admin.display(description=__("caller"))
    def caller(self, limits: CallerLimits) -> SafeString:
        if limits.key is None:
            return rendering.line(str(limits.user))
        return rendering.line(f"{limits.key}, {limits.key.user}", length=80)

    @admin.display(description=__("reason"))
    def why(self, limits: CallerLimits) -> SafeString:
        return rendering.line(limits.reason)


def _record(request: HttpRequest, limits: CallerLimits, action: str, changes: dict[str, Any]) -> None:
    name = str(limits.key.prefix) if limits.key is not None else str(limits.user)
    kind = "key" if limits.key is not None else "user"
    by = request.user if isinstance(request.user, User) else None
    actor = Actor(
        "admin",
        user_id=by.pk if by else None,
        name=by.get_username() if by else "",
        request_id=str(request.META.get("api_v2.request_id", "")),
    )
    audit.record(actor, action, Target("limits", str(limits.pk), f"{kind} {name}"), changes)


def _set(limits: CallerLimits) -> dict[str, Any]:
    return {name: getattr(limits, name) for name in OWN if getattr(limits, name) is not None}


def _plain(limits: CallerLimits, name: str) -> Any:
    value = getattr(limits, name)
    return value if value is None or isinstance(value, (int, str)) else value.pk
